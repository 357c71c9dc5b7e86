"""Updates the counters of leads and events. Each transaction that adds or removes some does so near its end."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any, Final

import asyncpg

# The slot depends on the connection, so that concurrent transactions seldom update the same row.
ADD_LEADS: Final = """
INSERT INTO lead_counts (unit_id, slot, leads)
SELECT unit_id, pg_backend_pid() % 16, change FROM unnest($1::text[], $2::bigint[]) AS changed (unit_id, change)
ON CONFLICT (unit_id, slot) DO UPDATE SET leads = lead_counts.leads + excluded.leads
"""

ADD_EVENTS: Final = """
INSERT INTO event_counts (unit_id, event_type, slot, events)
SELECT unit_id, event_type, pg_backend_pid() % 16, change
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS changed (unit_id, event_type, change)
ON CONFLICT (unit_id, event_type, slot) DO UPDATE SET events = event_counts.events + excluded.events
"""

ADD_USAGE: Final = """
INSERT INTO usage_counts (unit_id, month, slot, events)
SELECT unit_id, month, pg_backend_pid() % 16, change
FROM unnest($1::text[], $2::date[], $3::bigint[]) AS changed (unit_id, month, change)
ON CONFLICT (unit_id, month, slot) DO UPDATE SET events = usage_counts.events + excluded.events
"""


@cache
def _month(year: int, month: int) -> date:
    """Its first day."""
    return date(year, month, 1)


@dataclass(slots=True)
class CounterChanges:
    """The changes of one transaction to the counters."""

    leads: Counter[str] = field(default_factory=Counter[str])
    """By OU."""
    events: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """By OU and event type."""
    usage: Counter[tuple[str, date]] = field(default_factory=Counter[tuple[str, date]])
    """By OU and month of receipt."""

    def add_events(self, unit_id: str, events: Iterable[tuple[str, datetime]]) -> None:
        """Count processed events, given as pairs of event type and time of receipt."""
        for event_type, received_at in events:
            self.events[unit_id, event_type] += 1
            self.usage[unit_id, _month(received_at.year, received_at.month)] += 1

    def remove_events(self, unit_id: str, events: Iterable[tuple[str, int]]) -> None:
        """Count deleted events, given as pairs of event type and number. The usage stays as it is."""
        for event_type, number in events:
            self.events[unit_id, event_type] -= number


async def update_counters(connection: asyncpg.Connection, changes: CounterChanges) -> None:
    """Update the counters. Call it once in a transaction, after its other locks and before its frames.

    Otherwise two transactions can deadlock.
    """
    leads = {(unit_id,): change for unit_id, change in changes.leads.items()}
    for statement, counts in ((ADD_LEADS, leads), (ADD_EVENTS, changes.events), (ADD_USAGE, changes.usage)):
        await _add(connection, statement, counts)


async def _add(connection: asyncpg.Connection, statement: str, counts: Mapping[Any, int]) -> None:
    rows = sorted((*key, change) for key, change in counts.items() if change)
    if rows:
        await connection.execute(statement, *map(list, zip(*rows, strict=True)))
