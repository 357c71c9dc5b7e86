"""Finds the rows of a flush that repeat an accepted event."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from leadvibe.core.ids import read
from leadvibe.identity.keys import KeyClaim, claim_keys
from leadvibe.ingest.inbox import InboxRow

# An exported event names its own lead, so it takes the route of the stored one. This avoids a search of all routes.
FIND_EVENTS: Final = """
SELECT requested.unit_id, requested.event_id
FROM unnest($1::text[], $2::uuid[], $3::smallint[]) AS requested (unit_id, event_id, route)
WHERE EXISTS (
    SELECT FROM events WHERE events.unit_id = requested.unit_id AND events.event_id = requested.event_id
) OR EXISTS (
    SELECT FROM inbox
    WHERE inbox.route = requested.route AND inbox.event_id = requested.event_id AND inbox.unit_id = requested.unit_id
) OR EXISTS (
    SELECT FROM failed_events AS failed
    WHERE failed.unit_id = requested.unit_id AND failed.event_id = requested.event_id
)
"""


class Stored(NamedTuple):
    """The event that counts for an accepted row."""

    event_id: UUID
    repeated: bool = False
    """The row was not stored, because it repeats this event."""


async def claim_rows(connection: asyncpg.Connection, rows: Sequence[InboxRow]) -> list[Stored]:
    """Claim the idempotency keys of the rows, and return the event that counts for each row, in order.

    A key that is the id of an event of the OU (`ev_…`) makes the row a repeat of that event.
    """
    claims = [KeyClaim(row.unit_id, row.key, row.event_id) for row in rows if row.key is not None]
    if not claims:
        return [Stored(row.event_id) for row in rows]
    counting = await _find_events(connection, rows)
    claims = [claim for claim in claims if claim.event_id not in counting]
    holders = await claim_keys(connection, claims)
    counting |= {claim.event_id: holders[claim.unit_id, claim.key] for claim in claims}
    return [_stored(row.event_id, counting.get(row.event_id, row.event_id)) for row in rows]


def _stored(row_id: UUID, event_id: UUID) -> Stored:
    return Stored(event_id, repeated=event_id != row_id)


async def _find_events(connection: asyncpg.Connection, rows: Sequence[InboxRow]) -> dict[UUID, UUID]:
    """The stored events that rows name by their key, by the id of the row."""
    named = [(row, event_id) for row in rows if row.key and (event_id := read("ev", row.key)) is not None]
    if not named:
        return {}
    columns = [(row.unit_id, event_id, row.route) for row, event_id in named]
    found = {
        (unit_id, event_id)
        for unit_id, event_id in await connection.fetch(FIND_EVENTS, *map(list, zip(*columns, strict=True)))
    }
    return {row.event_id: event_id for row, event_id in named if (row.unit_id, event_id) in found}
