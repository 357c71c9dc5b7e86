"""Finds, changes and deletes accepted events that are not processed: those in the inbox and the failed ones."""

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.scope import Scope
from leadvibe.identity.keys import KeyClaim, release_keys
from leadvibe.ingest.claim import lock_routes
from leadvibe.ingest.inbox import AcceptedEvent, decode, encode

PAGE_EVENTS: Final = 2_000
NO_EVENT_ID: Final = UUID(int=0)
"""Less than every event id."""

Rewrite = Callable[[AcceptedEvent], AcceptedEvent | None]
"""Returns the event itself to keep it, another event to replace it, or None to delete it."""

READ_ROUTES: Final = "SELECT DISTINCT route FROM inbox WHERE unit_id = $1 AND received_at <= $2 ORDER BY route"

READ_INBOX: Final = """
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

DELETE_FROM_INBOX: Final = "DELETE FROM inbox WHERE route = $1 AND event_id = $2"
UPDATE_INBOX: Final = "UPDATE inbox SET body = $3 WHERE route = $1 AND event_id = $2"
DELETE_FAILED: Final = "DELETE FROM failed_events WHERE unit_id = $1 AND event_id = $2"
UPDATE_FAILED: Final = "UPDATE failed_events SET body = $3 WHERE unit_id = $1 AND event_id = $2"


async def rewrite_inbox(scope: Scope, until: datetime, rewrite: Rewrite) -> None:
    """Rewrite an OU's events in the inbox that were received at `until` or before.

    Each transaction locks one route and rewrites one page, so that scoring continues on the other routes.
    """
    for route in await _routes(scope, until):
        after: UUID | None = NO_EVENT_ID
        while after is not None:
            async with transaction(scope) as session:
                connection = await raw(session)
                await lock_routes(connection, [route])
                rows = await connection.fetch(READ_INBOX, route, after, scope.unit_id, until, PAGE_EVENTS)
                await _rewrite(connection, scope, rows, route, (DELETE_FROM_INBOX, UPDATE_INBOX), rewrite=rewrite)
            after = _last(rows)


async def rewrite_failed(scope: Scope, until: datetime, rewrite: Rewrite) -> None:
    """Rewrite an OU's failed events that were received at `until` or before."""
    after: UUID | None = NO_EVENT_ID
    while after is not None:
        async with transaction(scope) as session:
            connection = await raw(session)
            rows = await connection.fetch(READ_FAILED, scope.unit_id, after, until, PAGE_EVENTS)
            await _rewrite(connection, scope, rows, scope.unit_id, (DELETE_FAILED, UPDATE_FAILED), rewrite=rewrite)
        after = _last(rows)


async def find_unprocessed(
    scope: Scope, until: datetime, matches: Callable[[AcceptedEvent], bool]
) -> AsyncGenerator[list[UUID]]:
    """Yield, page by page, the ids of an OU's matching unprocessed events that were received at `until` or before."""
    sources = [(READ_INBOX, (route,), (scope.unit_id,)) for route in await _routes(scope, until)]
    for statement, key, unit in [*sources, (READ_FAILED, (scope.unit_id,), ())]:
        after: UUID | None = NO_EVENT_ID
        while after is not None:
            async with transaction(scope) as session:
                rows = await (await raw(session)).fetch(statement, *key, after, *unit, until, PAGE_EVENTS)
            after = _last(rows)
            events = ((event_id, try_decode(body)) for event_id, body in rows)
            if matching := [event_id for event_id, event in events if event is not None and matches(event)]:
                yield matching


async def _routes(scope: Scope, until: datetime) -> list[int]:
    async with transaction(scope) as session:
        connection = await raw(session)
        return [row["route"] for row in await connection.fetch(READ_ROUTES, scope.unit_id, until)]


async def _rewrite(
    connection: asyncpg.Connection,
    scope: Scope,
    rows: Sequence[asyncpg.Record],
    key: int | str,
    statements: tuple[str, str],
    *,
    rewrite: Rewrite,
) -> None:
    """Rewrite these rows, and release the idempotency keys of the deleted ones.

    `key` precedes the event id in the table's primary key: the route, or the OU.
    """
    delete, update = statements
    deleted: list[tuple[int | str, UUID]] = []
    updated: list[tuple[int | str, UUID, bytes]] = []
    released: list[KeyClaim] = []
    for event_id, body in rows:
        event = try_decode(body)
        result = event and rewrite(event)
        if event is not None and result is None:
            deleted.append((key, event_id))
            if event.idempotency_key is not None:
                released.append(KeyClaim(scope.unit_id, event.idempotency_key, event_id))
        elif result is not None and result is not event:
            updated.append((key, event_id, encode(result)))
    await release_keys(connection, released)
    await connection.executemany(delete, deleted)
    await connection.executemany(update, updated)


def try_decode(body: bytes) -> AcceptedEvent | None:
    """The event, or None if the body can't be decoded. Then nothing in it can identify a lead either."""
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _last(rows: Sequence[asyncpg.Record]) -> UUID | None:
    """The event id after which the next page starts, or None after the last page."""
    return rows[-1]["event_id"] if len(rows) == PAGE_EVENTS else None
