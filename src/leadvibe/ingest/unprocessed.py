"""What was accepted and isn't processed, looked through event by event: some of it has to go, or to lose a name."""

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.scope import Scope
from leadvibe.ingest.claim import hold_routes
from leadvibe.ingest.inbox import AcceptedEvent, decode, encode

PAGE: Final = 2_000
FIRST: Final = UUID(int=0)

Rewrite = Callable[[AcceptedEvent], AcceptedEvent | None]
"""What stays of an event: itself, another one, or None."""

ROUTES_OF: Final = "SELECT DISTINCT route FROM inbox WHERE unit_id = $1 AND received_at <= $2 ORDER BY route"

READ_WAITING: Final = """
SELECT event_id, body FROM inbox
WHERE route = $1 AND event_id > $2 AND unit_id = $3 AND received_at <= $4
ORDER BY event_id LIMIT $5
"""

READ_FAILED: Final = """
SELECT event_id, body FROM failed_events
WHERE unit_id = $1 AND event_id > $2 AND received_at <= $3
ORDER BY event_id LIMIT $4
FOR UPDATE
"""

DROP_WAITING: Final = "DELETE FROM inbox WHERE route = $1 AND event_id = $2"
CHANGE_WAITING: Final = "UPDATE inbox SET body = $3 WHERE route = $1 AND event_id = $2"
DROP_FAILED: Final = "DELETE FROM failed_events WHERE unit_id = $1 AND event_id = $2"
CHANGE_FAILED: Final = "UPDATE failed_events SET body = $3 WHERE unit_id = $1 AND event_id = $2"


async def rewrite_inbox(scope: Scope, until: datetime, rewrite: Rewrite) -> None:
    """Rewrite an OU's events that wait since that instant or longer; scoring pauses for one page of one route."""
    for route in await _routes(scope, until):
        after: UUID | None = FIRST
        while after is not None:
            async with transaction(scope) as session:
                connection = await raw(session)
                await hold_routes(connection, [route])
                rows = await connection.fetch(READ_WAITING, route, after, scope.unit_id, until, PAGE)
                await _rewrite(connection, rows, rewrite, route, (DROP_WAITING, CHANGE_WAITING))
            after = _last(rows)


async def rewrite_failed(scope: Scope, until: datetime, rewrite: Rewrite) -> None:
    """Rewrite an OU's events that failed and were received at that instant or before."""
    after: UUID | None = FIRST
    while after is not None:
        async with transaction(scope) as session:
            connection = await raw(session)
            rows = await connection.fetch(READ_FAILED, scope.unit_id, after, until, PAGE)
            await _rewrite(connection, rows, rewrite, scope.unit_id, (DROP_FAILED, CHANGE_FAILED))
        after = _last(rows)


async def find_unprocessed(
    scope: Scope, until: datetime, wanted: Callable[[AcceptedEvent], bool]
) -> AsyncGenerator[list[UUID]]:
    """Those of an OU's events that are wanted and wait, or failed, since that instant or longer, page by page."""
    places = [(READ_WAITING, (route,), (scope.unit_id,)) for route in await _routes(scope, until)]
    for statement, place, unit in [*places, (READ_FAILED, (scope.unit_id,), ())]:
        after: UUID | None = FIRST
        while after is not None:
            async with transaction(scope) as session:
                rows = await (await raw(session)).fetch(statement, *place, after, *unit, until, PAGE)
            after = _last(rows)
            events = ((row[0], try_decode(row[1])) for row in rows)
            if found := [event_id for event_id, event in events if event is not None and wanted(event)]:
                yield found


async def _routes(scope: Scope, until: datetime) -> list[int]:
    async with transaction(scope) as session:
        connection = await raw(session)
        return [row[0] for row in await connection.fetch(ROUTES_OF, scope.unit_id, until)]


async def _rewrite(
    connection: asyncpg.Connection,
    rows: Sequence[asyncpg.Record],
    rewrite: Rewrite,
    place: int | str,
    statements: tuple[str, str],
) -> None:
    drop, change = statements
    gone: list[tuple[int | str, UUID]] = []
    changed: list[tuple[int | str, UUID, bytes]] = []
    for event_id, body in rows:
        event = try_decode(body)
        left = event and rewrite(event)
        if event is not None and left is None:
            gone.append((place, event_id))
        elif left is not None and left is not event:
            changed.append((place, event_id, encode(left)))
    await connection.executemany(drop, gone)
    await connection.executemany(change, changed)


def try_decode(body: bytes) -> AcceptedEvent | None:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # then it names nobody that could be found
        return None


def _last(rows: Sequence[asyncpg.Record]) -> UUID | None:
    return rows[-1][0] if len(rows) == PAGE else None
