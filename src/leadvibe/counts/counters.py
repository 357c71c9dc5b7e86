"""Keeps the counts: each transaction that adds or removes leads or events says by how many, near its end."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import asyncpg

# A slot by connection: two transactions meet in one only where their connections do.
KEEP_LEADS: Final = """
INSERT INTO lead_counts (unit_id, slot, leads)
SELECT unit_id, pg_backend_pid() % 16, change FROM unnest($1::text[], $2::bigint[]) AS changed (unit_id, change)
ON CONFLICT (unit_id, slot) DO UPDATE SET leads = lead_counts.leads + excluded.leads
"""

KEEP_EVENTS: Final = """
INSERT INTO event_counts (unit_id, event_type, slot, events)
SELECT unit_id, event_type, pg_backend_pid() % 16, change
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS changed (unit_id, event_type, change)
ON CONFLICT (unit_id, event_type, slot) DO UPDATE SET events = event_counts.events + excluded.events
"""

KEEP_USAGE: Final = """
INSERT INTO usage_counts (unit_id, month, slot, events)
SELECT unit_id, month, pg_backend_pid() % 16, change
FROM unnest($1::text[], $2::date[], $3::bigint[]) AS changed (unit_id, month, change)
ON CONFLICT (unit_id, month, slot) DO UPDATE SET events = usage_counts.events + excluded.events
"""


@dataclass(slots=True)
class CounterChanges:
    """By how much a transaction changes the counts."""

    leads: Counter[str] = field(default_factory=Counter[str])
    """By OU."""
    events: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """By OU and event type."""
    usage: Counter[tuple[str, date]] = field(default_factory=Counter[tuple[str, date]])
    """By OU and month of receipt."""

    def processed(self, unit_id: str, event_type: str, received_at: datetime) -> None:
        self.events[unit_id, event_type] += 1
        self.usage[unit_id, received_at.date().replace(day=1)] += 1

    def deleted(self, unit_id: str, events: Iterable[tuple[str, int]]) -> None:
        """How many events of each type went."""
        for event_type, number in events:
            self.events[unit_id, event_type] -= number


async def update_counters(connection: asyncpg.Connection, tally: CounterChanges) -> None:
    """Once a transaction, after all of its other locks and before its frames: so nobody waits in a ring."""
    leads = {(unit_id,): change for unit_id, change in tally.leads.items()}
    for statement, changes in ((KEEP_LEADS, leads), (KEEP_EVENTS, tally.events), (KEEP_USAGE, tally.usage)):
        await _keep(connection, statement, changes)


async def _keep(connection: asyncpg.Connection, statement: str, changes: Mapping[Any, int]) -> None:
    rows = sorted((*key, change) for key, change in changes.items() if change)
    if rows:
        await connection.execute(statement, *map(list, zip(*rows, strict=True)))
