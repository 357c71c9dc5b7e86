"""Makes an outcome so: every row that a batch of folds decided, written in a handful of statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import asyncpg
import msgspec

from leadvibe.core.instants import from_micros
from leadvibe.engine import Awards, Entry

Row = tuple[Any, ...]

EVENT_COLUMNS: Final = (
    "unit_id",
    "event_id",
    "lead_id",
    "event_type",
    "occurred_at",
    "sent_at",
    "received_at",
    "scored_at",
    "channel",
    "metadata",
    "digest",
    "idempotency_key",
    "config_version",
    "suppression_reason",
    "session_id",
    "original_lead_id",
)

ENTRY_COLUMNS: Final = (
    "unit_id",
    "lead_id",
    "ruleset_id",
    "occurred_at",
    "kind",
    "event_id",
    "subject_id",
    "config_version",
    "awards",
    "base",
    "multiplier",
    "points",
    "applied",
    "recorded_at",
)

REGISTER_TYPES = """
INSERT INTO event_types (unit_id, event_type)
SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT DO NOTHING
"""

SUPERSEDE = """
UPDATE score_entries SET superseded_at = replaced.at
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[]) AS replaced (unit_id, lead_id, entry_id, at)
WHERE score_entries.unit_id = replaced.unit_id
  AND score_entries.lead_id = replaced.lead_id
  AND score_entries.entry_id = replaced.entry_id
"""

SET_SCORES = """
INSERT INTO lead_scores (unit_id, lead_id, ruleset_id, score, updated_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[])
ON CONFLICT (unit_id, lead_id, ruleset_id) DO UPDATE SET score = excluded.score, updated_at = excluded.updated_at
"""

# One update for everything about a lead: each would make another version of its row.
SET_LEADS = """
UPDATE leads
SET score = folded.score, standing = folded.standing, next_decay_at = folded.next_decay_at,
    ledger_at = folded.ledger_at, updated_at = folded.ledger_at,
    last_event_at = greatest(leads.last_event_at, folded.last_event_at),
    last_event_type = CASE
        WHEN leads.last_event_at IS NULL OR folded.last_event_at > leads.last_event_at THEN folded.last_event_type
        WHEN folded.last_event_at = leads.last_event_at
            THEN greatest(leads.last_event_type COLLATE "C", folded.last_event_type COLLATE "C")
        ELSE leads.last_event_type END
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[],
            $8::bigint[])
    AS folded (unit_id, lead_id, standing, next_decay_at, ledger_at, last_event_at, last_event_type, score)
WHERE leads.unit_id = folded.unit_id AND leads.lead_id = folded.lead_id
"""

MARK_EVENTS = """
UPDATE events SET suppression_reason = marked.suppression_reason, session_id = marked.session_id
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[])
  AS marked (unit_id, event_id, suppression_reason, session_id)
WHERE events.unit_id = marked.unit_id AND events.event_id = marked.event_id
"""

OWN_KEYS = """
UPDATE idempotency_keys SET lead_id = used.lead_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS used (unit_id, key, lead_id)
WHERE idempotency_keys.unit_id = used.unit_id AND idempotency_keys.key = used.key
"""


@dataclass(slots=True)
class Writes:
    """What a batch decided, as rows."""

    events: list[Row] = field(default_factory=list[Row])
    entries: list[Row] = field(default_factory=list[Row])
    superseded: list[Row] = field(default_factory=list[Row])
    scores: list[Row] = field(default_factory=list[Row])
    leads: list[Row] = field(default_factory=list[Row])
    marks: list[Row] = field(default_factory=list[Row])
    keys: list[Row] = field(default_factory=list[Row])


async def register_types(connection: asyncpg.Connection, event_types: Iterable[tuple[str, str]]) -> None:
    """Remember that these OUs have seen these types: a batch's at once and in order, or two would wait in a ring."""
    await _each(connection, REGISTER_TYPES, sorted(event_types))


async def save(connection: asyncpg.Connection, writes: Writes) -> None:
    if writes.events:
        await connection.copy_records_to_table("events", records=writes.events, columns=EVENT_COLUMNS)
    await _each(connection, MARK_EVENTS, writes.marks)
    await _each(connection, SUPERSEDE, writes.superseded)
    if writes.entries:
        await connection.copy_records_to_table("score_entries", records=writes.entries, columns=ENTRY_COLUMNS)
    await _each(connection, SET_SCORES, writes.scores)
    await _each(connection, SET_LEADS, writes.leads)
    await _each(connection, OWN_KEYS, writes.keys)


async def _each(connection: asyncpg.Connection, statement: str, rows: Sequence[Row]) -> None:
    """One statement for all the rows, a column an array."""
    if rows:
        await connection.execute(statement, *map(list, zip(*rows, strict=True)))


@lru_cache(maxsize=4096)
def awards_text(awards: Awards) -> str:
    """The awards as JSON; the same few come again and again."""
    return msgspec.json.encode(awards).decode()


def entry_row(unit_id: str, lead_id: str, entry: Entry, recorded_at: datetime) -> Row:
    is_event = entry.kind == "event"
    return (
        unit_id,
        lead_id,
        entry.ruleset_id,
        from_micros(entry.at),
        entry.kind,
        entry.subject if is_event else None,
        None if is_event else str(entry.subject),
        entry.version,
        awards_text(entry.awards),
        entry.base,
        entry.multiplier,
        entry.points,
        entry.applied,
        recorded_at,
    )
