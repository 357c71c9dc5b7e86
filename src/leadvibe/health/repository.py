"""What the server can say of itself without asking who wants to know."""

import asyncio
import math

import structlog
from sqlalchemy import text

from leadvibe.core.database.migration_state import is_current
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import Unavailable
from leadvibe.core.logs import summary
from leadvibe.core.metrics import QueueState
from leadvibe.core.transient import is_transient

PATIENCE = 3.0
"""Seconds that a scrape or a probe waits for the database."""

log = structlog.get_logger()

# Of all OUs together: these are the server's own figures.
_QUEUE = text("""
SELECT count(*) AS depth, coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)::float8 AS oldest_age
FROM inbox
""")


async def queue_state() -> QueueState:
    """What waits in the inbox; not a number where the database doesn't say."""
    try:
        async with asyncio.timeout(PATIENCE), transaction(None) as session:
            row = (await session.execute(_QUEUE)).one()
            return QueueState(row.depth, row.oldest_age)
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning("queue not measured", reason=summary(error))
        return QueueState(math.nan, math.nan)


async def check_readiness() -> None:
    """Raise `Unavailable` unless the database answers and has every migration."""
    try:
        async with asyncio.timeout(PATIENCE), transaction(None) as session:
            current = await is_current(await session.connection())
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning("not ready", reason=summary(error))
        raise Unavailable("The database can't be reached.") from None
    if not current:
        raise Unavailable("The database's migrations are not up to date.")
