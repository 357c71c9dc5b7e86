"""The server's own state, for probes and metrics."""

import asyncio
import math

import structlog
from sqlalchemy import text

from leadvibe.core.database.migration_state import is_current
from leadvibe.core.database.transactions import Pool, transaction
from leadvibe.core.http.problems import Unavailable
from leadvibe.core.logs import summary
from leadvibe.core.metrics import QueueState
from leadvibe.core.transient import is_transient

TIMEOUT_SECONDS = 3.0
"""How long a scrape or a probe waits for the database."""

log = structlog.get_logger()

# Over all OUs: these figures are the server's, not a tenant's.
_QUEUE = text("""
SELECT
  count(*) AS depth,
  coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)::float8 AS oldest_age_seconds
FROM inbox
""")


async def queue_state() -> QueueState:
    """The size and age of the inbox; NaN if the database can't be reached."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS), transaction(None) as session:
            row = (await session.execute(_QUEUE)).one()
            return QueueState(row.depth, row.oldest_age_seconds)
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning("measuring the inbox failed", reason=summary(error))
        return QueueState(math.nan, math.nan)


async def check_readiness() -> None:
    """Raise `Unavailable` unless the database can be reached and its schema is up to date."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS), transaction(None, pool=Pool.ACCESS) as session:
            current = await is_current(await session.connection())
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning("not ready", reason=summary(error))
        raise Unavailable("The database can't be reached.") from None
    if not current:
        raise Unavailable("The database schema is out of date: run the migrations with `leadvibe migrate`.")
