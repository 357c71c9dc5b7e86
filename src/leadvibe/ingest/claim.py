"""Claims events from the inbox for one transaction. A worker holds the routes that it claims from."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from leadvibe.core.database.advisory_locks import ROUTE_LOCKS
from leadvibe.ingest.inbox import ROUTES, AcceptedEvent, decode

MAX_ROUTES_PER_CLAIM: Final = ROUTES // 4
"""How many routes one claim may hold; the others are left to other workers."""

# A volatile condition over an ordered, materialized list is asked row by row until the limit is reached: no more locks
# are taken than routes are used.
TAKE_ROUTES = """
WITH waiting AS MATERIALIZED (
    SELECT route::int AS route
    FROM generate_series(0, $1::int - 1) AS route,
    LATERAL (SELECT event_id FROM inbox WHERE inbox.route = route.route::smallint ORDER BY event_id LIMIT 1) AS head
    WHERE (route = ANY($3::int[])) = $4::bool
    ORDER BY head.event_id
)
SELECT route FROM waiting WHERE pg_try_advisory_xact_lock($2::int, route) LIMIT $5
"""

READ_ROUTES = """
SELECT claimed.route, claimed.event_id, claimed.unit_id, claimed.received_at, claimed.body
FROM unnest($1::smallint[]) AS taken (route),
     LATERAL (SELECT * FROM inbox WHERE inbox.route = taken.route ORDER BY event_id LIMIT $2) AS claimed
"""

TAKE_ONE = "SELECT pg_try_advisory_xact_lock($1::int, $2::int)"

WAIT = "SELECT pg_advisory_xact_lock($1::int, route) FROM unnest($2::int[]) AS route"

READ_ONE = "SELECT route, event_id, unit_id, received_at, body FROM inbox WHERE route = $1 AND event_id = $2"

REMOVE = """
DELETE FROM inbox USING unnest($1::smallint[], $2::uuid[]) AS done (route, event_id)
WHERE inbox.route = done.route AND inbox.event_id = done.event_id
"""


class ClaimedEvent(NamedTuple):
    """A claimed row of the inbox."""

    route: int
    event_id: UUID
    unit_id: str
    received_at: datetime
    body: bytes

    def decode(self) -> AcceptedEvent:
        return decode(self.body)


async def claim(connection: asyncpg.Connection, limit: int, *, excluded: Sequence[int] = ()) -> list[ClaimedEvent]:
    """Claim up to `limit` of the oldest events, on routes that are not excluded and that no other worker holds.

    The routes are held until the transaction ends.
    """
    return await _claim(connection, limit, excluded, False, MAX_ROUTES_PER_CLAIM)


async def claim_one_route(connection: asyncpg.Connection, limit: int, *, routes: Sequence[int]) -> list[ClaimedEvent]:
    """Claim up to `limit` events from one of these routes: the one with the oldest event."""
    return await _claim(connection, limit, routes, True, 1)


async def _claim(
    connection: asyncpg.Connection, limit: int, routes: Sequence[int], included: bool, max_routes: int
) -> list[ClaimedEvent]:
    """`included` says whether to claim from `routes` or from all others."""
    held = [row[0] for row in await connection.fetch(TAKE_ROUTES, ROUTES, ROUTE_LOCKS, routes, included, max_routes)]
    if not held:
        return []
    # A statement of its own: its snapshot is younger than the locks, so what the last holder deleted is gone.
    rows = await connection.fetch(READ_ROUTES, held, max(1, limit // len(held)))
    return sorted((ClaimedEvent(*row) for row in rows), key=lambda event: event.event_id)


async def claim_one(connection: asyncpg.Connection, route: int, event_id: UUID) -> list[ClaimedEvent]:
    """Claim this event alone, if it is still in the inbox and no other worker holds its route."""
    if not await connection.fetchval(TAKE_ONE, ROUTE_LOCKS, route):
        return []
    return [ClaimedEvent(*row) for row in await connection.fetch(READ_ONE, route, event_id)]


async def hold_routes(connection: asyncpg.Connection, routes: Iterable[int]) -> None:
    """Wait for the workers on these routes, and hold the routes until the transaction ends.

    Call it before leads are locked.
    """
    await connection.execute(WAIT, ROUTE_LOCKS, sorted(routes))


async def remove(connection: asyncpg.Connection, claimed: Sequence[ClaimedEvent]) -> None:
    await connection.execute(REMOVE, [event.route for event in claimed], [event.event_id for event in claimed])
