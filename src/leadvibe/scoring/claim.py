"""Takes waiting events out of the inbox for one transaction: a worker holds the routes that it claims from."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from leadvibe.events.inbox import ROUTES, Received, decode

ROUTE_LOCKS: Final = 7_306_156
"""The advisory lock class of routes."""

ROUTES_AT_ONCE: Final = ROUTES // 4
"""How many routes one claim may hold: the others are left to other workers."""

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


class Waiting(NamedTuple):
    """A claimed row of the inbox."""

    route: int
    event_id: UUID
    unit_id: str
    received_at: datetime
    body: bytes

    @property
    def event(self) -> Received:
        return decode(self.body)


async def claim(connection: asyncpg.Connection, limit: int, *, but: Sequence[int] = ()) -> list[Waiting]:
    """Some of the longest waiting events, oldest first; their routes are held until the transaction ends."""
    return await _claim(connection, limit, but, False, ROUTES_AT_ONCE)


async def claim_apart(connection: asyncpg.Connection, limit: int, *, routes: Sequence[int]) -> list[Waiting]:
    """The same of one route alone: that of these on which an event waits longest."""
    return await _claim(connection, limit, routes, True, 1)


async def _claim(
    connection: asyncpg.Connection,
    limit: int,
    named: Sequence[int],
    these: bool,  # or all others
    routes_at_once: int,
) -> list[Waiting]:
    taken = await connection.fetch(TAKE_ROUTES, ROUTES, ROUTE_LOCKS, named, these, routes_at_once)
    routes = [row[0] for row in taken]
    if not routes:
        return []
    # A statement of its own: its snapshot is younger than the locks, so what the last holder deleted is gone.
    rows = await connection.fetch(READ_ROUTES, routes, max(1, limit // len(routes)))
    return sorted((Waiting(*row) for row in rows), key=lambda waiting: waiting.event_id)


async def claim_one(connection: asyncpg.Connection, route: int, event_id: UUID) -> list[Waiting]:
    """This event alone, if it still waits and nobody holds its route."""
    if not await connection.fetchval(TAKE_ONE, ROUTE_LOCKS, route):
        return []
    return [Waiting(*row) for row in await connection.fetch(READ_ONE, route, event_id)]


async def hold_routes(connection: asyncpg.Connection, routes: Iterable[int]) -> None:
    """Wait for the workers on these routes and keep them away; a lock of leads may follow, and none comes before."""
    await connection.execute(WAIT, ROUTE_LOCKS, sorted(routes))


async def remove(connection: asyncpg.Connection, claimed: Sequence[Waiting]) -> None:
    await connection.execute(REMOVE, [w.route for w in claimed], [w.event_id for w in claimed])
