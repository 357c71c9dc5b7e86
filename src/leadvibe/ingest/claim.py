"""Claims events from the inbox for one transaction. A worker locks the routes that it claims from."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from leadvibe.core.database.advisory_locks import ROUTE_LOCKS
from leadvibe.ingest.inbox import ROUTES, AcceptedEvent, decode

MAX_ROUTES_PER_CLAIM: Final = ROUTES // 4
"""The most routes that one claim locks. The rest is left to other workers."""

# PostgreSQL evaluates the volatile lock function row by row on the materialized list, and stops at the limit: it locks
# only the routes that the statement returns.
LOCK_ROUTES = """
WITH waiting AS MATERIALIZED (
    SELECT route::int AS route
    FROM generate_series(0, $1::int - 1) AS route,
    LATERAL (SELECT event_id FROM inbox WHERE inbox.route = route.route::smallint ORDER BY event_id LIMIT 1) AS head
    WHERE (route = ANY($3::int[])) = $4::bool
    ORDER BY head.event_id
)
SELECT route FROM waiting WHERE pg_try_advisory_xact_lock($2::int, route) LIMIT $5
"""

READ_EVENTS = """
SELECT claimed.route, claimed.event_id, claimed.unit_id, claimed.received_at, claimed.body
FROM unnest($1::smallint[]) AS locked (route),
     LATERAL (SELECT * FROM inbox WHERE inbox.route = locked.route ORDER BY event_id LIMIT $2) AS claimed
"""

LOCK_ROUTE = "SELECT pg_try_advisory_xact_lock($1::int, $2::int)"

WAIT_FOR_ROUTES = "SELECT pg_advisory_xact_lock($1::int, route) FROM unnest($2::int[]) AS route"

READ_EVENT = "SELECT route, event_id, unit_id, received_at, body FROM inbox WHERE route = $1 AND event_id = $2"

DELETE_EVENTS = """
DELETE FROM inbox USING unnest($1::smallint[], $2::uuid[]) AS processed (route, event_id)
WHERE inbox.route = processed.route AND inbox.event_id = processed.event_id
"""


class ClaimedEvent(NamedTuple):
    """A row of the inbox that this transaction has claimed."""

    route: int
    event_id: UUID
    unit_id: str
    received_at: datetime
    body: bytes

    def decode(self) -> AcceptedEvent:
        return decode(self.body)


async def claim(connection: asyncpg.Connection, limit: int, *, excluded: Sequence[int] = ()) -> list[ClaimedEvent]:
    """Claim up to `limit` of the oldest events, from routes that are not excluded and that no other worker has locked.

    The routes stay locked until the transaction ends.
    """
    return await _claim(connection, limit, excluded, False, MAX_ROUTES_PER_CLAIM)


async def claim_one_route(connection: asyncpg.Connection, limit: int, *, routes: Sequence[int]) -> list[ClaimedEvent]:
    """Claim up to `limit` events from the route among these that has the oldest event."""
    return await _claim(connection, limit, routes, True, 1)


async def _claim(
    connection: asyncpg.Connection, limit: int, routes: Sequence[int], included: bool, max_routes: int
) -> list[ClaimedEvent]:
    """Claim from `routes` if `included`, else from all other routes."""
    rows = await connection.fetch(LOCK_ROUTES, ROUTES, ROUTE_LOCKS, routes, included, max_routes)
    locked = [row["route"] for row in rows]
    if not locked:
        return []
    # A separate statement, because its snapshot is newer than the locks: it sees what the previous holder deleted.
    rows = await connection.fetch(READ_EVENTS, locked, max(1, limit // len(locked)))
    return sorted((ClaimedEvent(*row) for row in rows), key=lambda event: event.event_id)


async def claim_one(connection: asyncpg.Connection, route: int, event_id: UUID) -> list[ClaimedEvent]:
    """Claim only this event, if it is still in the inbox and no other worker has locked its route."""
    if not await connection.fetchval(LOCK_ROUTE, ROUTE_LOCKS, route):
        return []
    return [ClaimedEvent(*row) for row in await connection.fetch(READ_EVENT, route, event_id)]


async def lock_routes(connection: asyncpg.Connection, routes: Iterable[int]) -> None:
    """Lock these routes until the transaction ends, after waiting for the workers that hold them.

    Call it before leads are locked.
    """
    await connection.execute(WAIT_FOR_ROUTES, ROUTE_LOCKS, sorted(routes))


async def remove(connection: asyncpg.Connection, claimed: Sequence[ClaimedEvent]) -> None:
    await connection.execute(DELETE_EVENTS, [event.route for event in claimed], [event.event_id for event in claimed])
