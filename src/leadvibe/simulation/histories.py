"""Reads leads' facts as a stream: one lead's at a time in memory, and metadata only where a rule asks for it."""

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from leadvibe.core.instants import micros
from leadvibe.engine import Event, Fact, order
from leadvibe.pipeline.load import (
    METADATA_NOT_READ,
    Origins,
    load_adjustments_and_resets,
    load_origins,
    with_origin_reset,
)

ROWS_AT_ONCE: Final = 1_000

READ_EVENTS: Final = """
SELECT f.lead_id, f.original_lead_id, f.event_id, f.event_type, f.occurred_at, f.digest, f.idempotency_key,
       greatest(f.config_version, l.stamped_version),
       CASE WHEN f.event_type = ANY($3::text[]) THEN f.metadata::text END, f.channel
FROM leads l JOIN events f ON f.unit_id = l.unit_id AND f.lead_id = l.lead_id
WHERE l.unit_id = $1 AND l.lead_id = ANY($2::text[])
ORDER BY l.lead_id, f.occurred_at
"""

_metadata = msgspec.json.Decoder(dict[str, Any])


async def histories(
    connection: asyncpg.Connection, unit_id: str, lead_ids: Sequence[str], metadata_types: Collection[str]
) -> AsyncGenerator[tuple[str, list[Fact]]]:
    """Each lead with its facts in order; `asked` are the event types whose metadata matters."""
    keys = [(unit_id, lead_id) for lead_id in lead_ids]
    origins = await load_origins(connection, keys)
    acts = await load_adjustments_and_resets(connection, keys, origins)
    waiting = set(lead_ids)

    def whole(lead_id: str, facts: list[Fact]) -> tuple[str, list[Fact]]:
        waiting.discard(lead_id)
        return lead_id, sorted([*facts, *acts.get((unit_id, lead_id), ())], key=order)

    cursor = await connection.cursor(READ_EVENTS, unit_id, lead_ids, list(metadata_types))
    lead_id, facts = "", list[Fact]()
    while rows := await cursor.fetch(ROWS_AT_ONCE):
        for row in rows:
            if row[0] != lead_id:
                if facts:
                    yield whole(lead_id, facts)
                lead_id, facts = row[0], []
            facts.append(_event(unit_id, row, origins))
    if facts:
        yield whole(lead_id, facts)
    for without_events in sorted(waiting):
        yield whole(without_events, [])


def _event(unit_id: str, row: asyncpg.Record, origins: Origins) -> Event:
    lead_id, original, event_id, event_type, occurred_at, digest, key, version, metadata, channel = row
    event = Event(
        id=event_id,
        type=event_type,
        at=micros(occurred_at),
        digest=digest,
        key=key or "",
        version=version,
        metadata=METADATA_NOT_READ if metadata is None else _metadata.decode(metadata),
        channel=channel or "",
    )
    return with_origin_reset(event, origins.get((unit_id, lead_id, original or lead_id))) if origins else event
