"""Reads leads' facts as a stream: one lead's at a time in memory, and metadata only where a rule asks for it."""

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Final

import asyncpg

from leadvibe.engine import Fact, order
from leadvibe.pipeline.load import (
    EVENT_COLUMNS,
    StoredEvent,
    load_adjustments_and_resets,
    load_origins,
)

ROWS_AT_ONCE: Final = 1_000

READ_EVENTS: Final = f"""
SELECT {EVENT_COLUMNS}
FROM leads JOIN events ON events.unit_id = leads.unit_id AND events.lead_id = leads.lead_id
WHERE leads.unit_id = $1 AND leads.lead_id = ANY($2::text[])
ORDER BY leads.lead_id, events.occurred_at
"""  # noqa: S608 - only a constant


async def read_histories(
    connection: asyncpg.Connection, unit_id: str, lead_ids: Sequence[str], metadata_types: Collection[str]
) -> AsyncGenerator[tuple[str, list[Fact]]]:
    """Each lead with its facts in order; metadata is read for events of `metadata_types` only."""
    keys = [(unit_id, lead_id) for lead_id in lead_ids]
    origins = await load_origins(connection, keys)
    other_facts = await load_adjustments_and_resets(connection, keys, origins)
    without_events = set(lead_ids)

    def history(lead_id: str, facts: list[Fact]) -> tuple[str, list[Fact]]:
        without_events.discard(lead_id)
        return lead_id, sorted([*facts, *other_facts.get((unit_id, lead_id), ())], key=order)

    cursor = await connection.cursor(READ_EVENTS, unit_id, lead_ids, list(metadata_types))
    lead_id, facts = "", list[Fact]()
    while rows := await cursor.fetch(ROWS_AT_ONCE):
        for row in rows:
            event = StoredEvent(*row)
            if event.lead_id != lead_id:
                if facts:
                    yield history(lead_id, facts)
                lead_id, facts = event.lead_id, []
            facts.append(event.as_fact(origins))
    if facts:
        yield history(lead_id, facts)
    for lead_id in sorted(without_events):
        yield history(lead_id, [])
