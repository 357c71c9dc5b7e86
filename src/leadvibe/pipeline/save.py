"""Saves the results of a batch, with one statement for each table.

Each table has a NamedTuple whose fields are the columns, in the order of the statement's arrays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from leadvibe.core.instants import from_micros
from leadvibe.engine import Awards, Entry, Kind, SurgeEvent


class EventRow(NamedTuple):
    """A processed event, for `events`."""

    unit_id: str
    event_id: UUID
    lead_id: str
    event_type: str
    occurred_at: datetime
    sent_at: datetime | None
    received_at: datetime
    scored_at: datetime
    channel: str | None
    metadata: str
    digest: bytes
    idempotency_key: str | None
    config_version: int
    suppression_reason: str | None
    session_id: UUID | None
    original_lead_id: str | None


class EntryRow(NamedTuple):
    """A line of the ledger, for `score_entries`."""

    unit_id: str
    lead_id: str
    ruleset_id: str
    occurred_at: datetime
    kind: Kind
    event_id: UUID | None
    subject_id: str | None
    config_version: int | None
    awards: str
    base: int
    multiplier: int
    points: int
    applied: int
    recorded_at: datetime

    @classmethod
    def of(cls, unit_id: str, lead_id: str, entry: Entry, recorded_at: datetime) -> "EntryRow":
        event_id = entry.cause if isinstance(entry.cause, UUID) and entry.kind == "event" else None
        return cls(
            unit_id,
            lead_id,
            entry.ruleset_id,
            from_micros(entry.at),
            entry.kind,
            event_id,
            None if event_id is not None else str(entry.cause),
            entry.version,
            _awards_json(entry.awards),
            entry.base,
            entry.multiplier,
            entry.points,
            entry.applied,
            recorded_at,
        )


class SupersededRow(NamedTuple):
    """A line of the ledger that a replay replaces."""

    unit_id: str
    lead_id: str
    entry_id: int
    at: datetime


class SurgeEventRow(NamedTuple):
    """A band that a surge entered, for `surge_events`."""

    unit_id: str
    lead_id: str
    event_id: UUID
    occurred_at: datetime
    channel: str | None
    started_at: datetime
    surge_count: int
    multiplier: int

    @classmethod
    def of(cls, unit_id: str, lead_id: str, surge: SurgeEvent) -> "SurgeEventRow":
        times = from_micros(surge.at), surge.channel or None, from_micros(surge.start)
        return cls(unit_id, lead_id, surge.event_id, *times, surge.surge_count, surge.multiplier)


class EndedSurgeEventRow(NamedTuple):
    """A surge event that a replay deletes or replaces."""

    unit_id: str
    lead_id: str
    event_id: UUID


class ScoreRow(NamedTuple):
    """A lead's total in one ruleset, for `lead_scores`."""

    unit_id: str
    lead_id: str
    ruleset_id: str
    score: int
    updated_at: datetime


class LeadRow(NamedTuple):
    """The columns of a lead that a projection changes, for `leads`."""

    unit_id: str
    lead_id: str
    standing: bytes
    next_decay_at: datetime | None
    ledger_at: datetime
    last_event_at: datetime | None
    last_event_type: str | None
    score: int


class VerdictRow(NamedTuple):
    """The suppression and session of an event that a replay changed, for `events`."""

    unit_id: str
    event_id: UUID
    suppression_reason: str | None
    session_id: UUID | None


class KeyRow(NamedTuple):
    """The lead of a used idempotency key, for `idempotency_keys`."""

    unit_id: str
    key: str
    lead_id: str


class EventTypeRow(NamedTuple):
    """An event type that an OU has received, for `event_types`."""

    unit_id: str
    event_type: str


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

DELETE_SURGE_EVENTS = """
DELETE FROM surge_events USING unnest($1::text[], $2::text[], $3::uuid[]) AS ended (unit_id, lead_id, event_id)
WHERE surge_events.unit_id = ended.unit_id
  AND surge_events.lead_id = ended.lead_id
  AND surge_events.event_id = ended.event_id
"""

SET_SCORES = """
INSERT INTO lead_scores (unit_id, lead_id, ruleset_id, score, updated_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[])
ON CONFLICT (unit_id, lead_id, ruleset_id) DO UPDATE SET score = excluded.score, updated_at = excluded.updated_at
"""

# One statement updates all columns of a lead, because each update writes a new version of the row.
SET_LEADS = """
UPDATE leads
SET score = projected.score, standing = projected.standing, next_decay_at = projected.next_decay_at,
    ledger_at = projected.ledger_at, updated_at = projected.ledger_at,
    last_event_at = greatest(leads.last_event_at, projected.last_event_at),
    last_event_type = CASE
        WHEN leads.last_event_at IS NULL OR projected.last_event_at > leads.last_event_at THEN projected.last_event_type
        WHEN projected.last_event_at = leads.last_event_at
            THEN greatest(leads.last_event_type COLLATE "C", projected.last_event_type COLLATE "C")
        ELSE leads.last_event_type END
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[],
            $8::bigint[])
    AS projected (unit_id, lead_id, standing, next_decay_at, ledger_at, last_event_at, last_event_type, score)
WHERE leads.unit_id = projected.unit_id AND leads.lead_id = projected.lead_id
"""

SET_VERDICTS = """
UPDATE events SET suppression_reason = judged.suppression_reason, session_id = judged.session_id
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[])
  AS judged (unit_id, event_id, suppression_reason, session_id)
WHERE events.unit_id = judged.unit_id AND events.event_id = judged.event_id
"""

SET_KEY_LEADS = """
UPDATE idempotency_keys SET lead_id = used.lead_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS used (unit_id, key, lead_id)
WHERE idempotency_keys.unit_id = used.unit_id AND idempotency_keys.key = used.key
"""


@dataclass(slots=True)
class Writes:
    """The rows to save."""

    events: list[EventRow] = field(default_factory=list[EventRow])
    entries: list[EntryRow] = field(default_factory=list[EntryRow])
    superseded: list[SupersededRow] = field(default_factory=list[SupersededRow])
    ended_surge_events: list[EndedSurgeEventRow] = field(default_factory=list[EndedSurgeEventRow])
    surge_events: list[SurgeEventRow] = field(default_factory=list[SurgeEventRow])
    scores: list[ScoreRow] = field(default_factory=list[ScoreRow])
    leads: list[LeadRow] = field(default_factory=list[LeadRow])
    verdicts: list[VerdictRow] = field(default_factory=list[VerdictRow])
    keys: list[KeyRow] = field(default_factory=list[KeyRow])


async def register_types(connection: asyncpg.Connection, event_types: Iterable[EventTypeRow]) -> None:
    """Store the event types that these OUs have received.

    All types of a batch in one sorted statement, so that two batches never deadlock.
    """
    await _execute(connection, REGISTER_TYPES, sorted(event_types))


async def save(connection: asyncpg.Connection, writes: Writes) -> None:
    await _copy(connection, "events", EventRow, writes.events)
    await _execute(connection, SET_VERDICTS, writes.verdicts)
    await _execute(connection, SUPERSEDE, writes.superseded)
    await _copy(connection, "score_entries", EntryRow, writes.entries)
    await _execute(connection, DELETE_SURGE_EVENTS, writes.ended_surge_events)
    await _copy(connection, "surge_events", SurgeEventRow, writes.surge_events)
    await _execute(connection, SET_SCORES, writes.scores)
    await _execute(connection, SET_LEADS, writes.leads)
    await _execute(connection, SET_KEY_LEADS, writes.keys)


async def _copy(
    connection: asyncpg.Connection,
    table: str,
    row: type[EventRow | EntryRow | SurgeEventRow],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    if rows:
        await connection.copy_records_to_table(table, records=rows, columns=row._fields)


async def _execute(connection: asyncpg.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run one statement for all rows, with one array for each column."""
    if rows:
        await connection.execute(statement, *map(list, zip(*rows, strict=True)))


@lru_cache(maxsize=4096)
def _awards_json(awards: Awards) -> str:
    """Cached, since most entries have the same few awards."""
    return msgspec.json.encode(awards).decode()
