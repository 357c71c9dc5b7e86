"""Streams leads' facts lead by lead, with metadata only for event types whose rules need it."""

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

BATCH_ROWS: Final = 1_000

READ_EVENTS: Final = """
SELECT f.lead_id, f.original_lead_id, f.event_id, f.event_type, f.occurred_at, f.digest, f.idempotency_key,
       greatest(f.config_version, l.stamped_version),
       CASE WHEN f.event_type = ANY($3::text[]) THEN f.metadata::text END, f.channel
FROM leads l JOIN events f ON f.unit_id = l.unit_id AND f.lead_id = l.lead_id
WHERE l.unit_id = $1 AND l.lead_id = ANY($2::text[])
ORDER BY l.lead_id, f.occurred_at
"""

_metadata = msgspec.json.Decoder(dict[str, Any])


async def read_histories(
    connection: asyncpg.Connection, unit_id: str, lead_ids: Sequence[str], metadata_types: Collection[str]
) -> AsyncGenerator[tuple[str, list[Fact]]]:
    """Yield each lead's id and facts in canonical order. `metadata_types` are the event types to read metadata for."""
    keys = [(unit_id, lead_id) for lead_id in lead_ids]
    origins = await load_origins(connection, keys)
    adjustments_and_resets = await load_adjustments_and_resets(connection, keys, origins)
    without_events = set(lead_ids)

    def history(lead_id: str, events: list[Fact]) -> tuple[str, list[Fact]]:
        return lead_id, sorted([*events, *adjustments_and_resets.get((unit_id, lead_id), ())], key=order)

    cursor = await connection.cursor(READ_EVENTS, unit_id, lead_ids, list(metadata_types))
    lead_id, events = "", list[Fact]()
    while rows := await cursor.fetch(BATCH_ROWS):
        for row in rows:
            if row[0] != lead_id:
                if events:
                    yield history(lead_id, events)
                lead_id, events = row[0], []
                without_events.discard(lead_id)
            events.append(_event(unit_id, row, origins))
    if events:
        yield history(lead_id, events)
    for lead_id in sorted(without_events):
        yield history(lead_id, [])


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
