"""Reads leads' facts for a simulation; metadata only where a rule asks for it."""

from collections.abc import Collection, Mapping, Sequence
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
    connection: asyncpg.Connection,
    unit_id: str,
    lead_ids: Sequence[str],
    metadata_types: Collection[str],
    max_events: int,
) -> Mapping[str, list[Fact]]:
    """The facts of the first of these leads, which are in order of their ids.

    After `max_events` events no further lead is begun, so the last leads may be missing. Metadata is read for events of
    `metadata_types` only.
    """
    keys = [(unit_id, lead_id) for lead_id in lead_ids]
    origins = await load_origins(connection, keys)
    other_facts = await load_adjustments_and_resets(connection, keys, origins)
    histories: dict[str, list[Fact]] = {lead_id: list(other_facts.get((unit_id, lead_id), ())) for lead_id in lead_ids}
    events, current = 0, ""
    cursor = await connection.cursor(READ_EVENTS, unit_id, lead_ids, list(metadata_types))
    while rows := await cursor.fetch(ROWS_AT_ONCE):
        for row in rows:
            event = StoredEvent(*row)
            if event.lead_id != current and events >= max_events:
                return {lead_id: facts for lead_id, facts in histories.items() if lead_id <= current}
            current = event.lead_id
            events += 1
            histories[current].append(event.as_fact(origins))
    return histories


def in_order(facts: Sequence[Fact]) -> list[Fact]:
    return sorted(facts, key=order)
