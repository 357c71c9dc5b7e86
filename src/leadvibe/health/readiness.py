"""Whether the server can accept and score events, and if not, why."""

import shutil
from contextlib import suppress
from time import time
from typing import Final

import asyncpg
import structlog

from leadvibe.config import settings
from leadvibe.core import metrics
from leadvibe.core.database.migration_state import is_current
from leadvibe.core.database.probe import Probe
from leadvibe.core.database.transactions import Database, database
from leadvibe.core.http.problems import Unavailable
from leadvibe.core.logs import summary
from leadvibe.core.transient import is_transient
from leadvibe.ingest.buffer import found_disk_full
from leadvibe.ingest.inbox import ROUTES

TIMEOUT_SECONDS: Final = 1.5
"""How long a probe waits for the database."""
MIN_FREE_BYTES: Final = 32 * 1024 * 1024
"""Two files of PostgreSQL's write-ahead log: with less room it may stop at any moment."""

HAS_OLD_EVENT: Final = """
SELECT EXISTS (
    SELECT FROM generate_series(0, $1::int - 1) AS route,
    LATERAL (SELECT received_at FROM inbox WHERE inbox.route = route.route::smallint ORDER BY event_id LIMIT 1) AS head
    WHERE head.received_at < now() - $2::interval
)
"""

log = structlog.get_logger()


class _Current:
    probe: tuple[Database, Probe[str | None]] | None = None


async def check_readiness() -> None:
    """Raise `Unavailable` with the reason if the server isn't ready."""
    problem = _disk_problem() or await _database_problem()
    if problem is not None:
        log.warning("not ready", reason=problem)
        raise Unavailable(problem)


def _disk_problem() -> str | None:
    folder = settings().data_dir
    with suppress(OSError):  # an API with a database elsewhere may have no data directory
        if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
            return f"The disk of the data directory {folder} is full."
    if found_disk_full():
        return "The disk of the database is full."
    return None


async def _database_problem() -> str | None:
    try:
        return await _probe().answer(TIMEOUT_SECONDS)
    except TimeoutError:
        return "The database doesn't answer."
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning("probing the database failed", reason=summary(error))
        return "The database can't be reached."


def _probe() -> Probe[str | None]:
    """The probe of this process's database."""
    own = database()
    if _Current.probe is None or _Current.probe[0] is not own:
        _Current.probe = (own, Probe(_find_problem))
    return _Current.probe[1]


async def _find_problem(connection: asyncpg.Connection) -> str | None:
    if not await is_current(connection):
        return "The database schema is out of date: run the migrations with `leadvibe migrate`."
    limit, last_poll = settings().worker_stall_timeout, metrics.last_poll()
    if last_poll is None or time() - last_poll < limit.total_seconds():
        return None
    if not await connection.fetchval(HAS_OLD_EVENT, ROUTES, limit):
        return None
    return (
        f"The workers of this server don't read the inbox: an event has waited for over {limit.total_seconds():.0f} s."
    )
