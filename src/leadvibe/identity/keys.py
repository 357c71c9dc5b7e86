"""Claims idempotency keys for events, and releases them."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

UnitKey = tuple[str, str]
"""(unit_id, idempotency key)"""

# A key that is already used is found by reading. An INSERT would wait for a transaction that updates the key's row.
CLAIM_KEYS: Final = """
WITH requested AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[]) AS requested (unit_id, key, event_id)
), used AS MATERIALIZED (
    SELECT keys.unit_id, keys.key, keys.event_id
    FROM requested JOIN idempotency_keys AS keys ON keys.unit_id = requested.unit_id AND keys.key = requested.key
), claimed AS (
    INSERT INTO idempotency_keys (unit_id, key, event_id)
    SELECT requested.unit_id, requested.key, requested.event_id FROM requested
    WHERE NOT EXISTS (SELECT FROM used WHERE used.unit_id = requested.unit_id AND used.key = requested.key)
    ORDER BY requested.unit_id COLLATE "C", requested.key COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING unit_id, key, event_id
)
SELECT unit_id, key, event_id FROM used UNION ALL SELECT unit_id, key, event_id FROM claimed
"""

RELEASE_KEYS: Final = """
DELETE FROM idempotency_keys AS keys
USING unnest($1::text[], $2::text[], $3::uuid[]) AS dropped (unit_id, key, event_id)
WHERE keys.unit_id = dropped.unit_id AND keys.key = dropped.key AND keys.event_id = dropped.event_id
"""


class KeyClaim(NamedTuple):
    """An event that claims an idempotency key."""

    unit_id: str
    key: str
    event_id: UUID


async def claim_keys(connection: asyncpg.Connection, claims: Iterable[KeyClaim]) -> dict[UnitKey, UUID]:
    """The event that each key belongs to. A free key is claimed for the first of these events that has it.

    Waits for other transactions that claim the same keys.
    """
    first: dict[UnitKey, UUID] = {}
    for unit_id, key, event_id in claims:
        first.setdefault((unit_id, key), event_id)
    holders: dict[UnitKey, UUID] = {}
    # A key that another transaction claims at the same time is returned by the next attempt.
    while open_claims := [KeyClaim(*key, first[key]) for key in sorted(first.keys() - holders.keys())]:
        rows = await connection.fetch(CLAIM_KEYS, *_columns(open_claims))
        holders |= {(unit_id, key): event_id for unit_id, key, event_id in rows}
    return holders


async def release_keys(connection: asyncpg.Connection, claims: Iterable[KeyClaim]) -> None:
    """Release the keys of events that were dropped because their lead was deleted. Other events' keys stay used."""
    dropped = sorted(claims)
    if dropped:
        await connection.execute(RELEASE_KEYS, *_columns(dropped))


def _columns(claims: Sequence[KeyClaim]) -> Sequence[Sequence[object]]:
    return [list(column) for column in zip(*claims, strict=True)]
