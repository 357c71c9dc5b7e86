"""Loads the history of leads for a replay: all of their facts, and the current ledger."""

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from leadvibe.core.instants import micros
from leadvibe.engine import Adjustment, Awards, Cause, Event, Fact, Kind, Reset, SurgeEvent, as_counted
from leadvibe.identity.locks import LeadKey

EVENT_COLUMNS: Final = """
    events.unit_id, events.lead_id, events.original_lead_id, events.event_id, events.event_type, events.occurred_at,
    events.digest, events.idempotency_key, greatest(events.config_version, leads.stamped_version) AS version,
    CASE WHEN events.event_type = ANY($3::text[]) THEN events.metadata::text END AS metadata, events.channel"""
"""The columns of a StoredEvent without its verdict. $3 are the event types whose metadata is needed."""

# Each statement takes the leads as two arrays.
READ_EVENTS: Final = f"""
SELECT {EVENT_COLUMNS}, events.suppression_reason, events.session_id
FROM unnest($1::text[], $2::text[]) AS requested (unit_id, lead_id)
JOIN leads ON leads.unit_id = requested.unit_id AND leads.lead_id = requested.lead_id
JOIN events ON events.unit_id = leads.unit_id AND events.lead_id = leads.lead_id
"""  # noqa: S608 - only the constant above

READ_ADJUSTMENTS: Final = """
SELECT a.unit_id, a.lead_id, a.original_lead_id, a.adjustment_id, a.adjusted_at, a.ruleset_id, a.points
FROM score_adjustments a JOIN unnest($1::text[], $2::text[]) AS requested (unit_id, lead_id)
  ON a.unit_id = requested.unit_id AND a.lead_id = requested.lead_id
"""

READ_RESETS: Final = """
SELECT r.unit_id, r.lead_id, r.reset_id, r.reset_at
FROM score_resets r JOIN unnest($1::text[], $2::text[]) AS requested (unit_id, lead_id)
  ON r.unit_id = requested.unit_id AND r.lead_id = requested.lead_id
WHERE NOT r.in_origins
"""

READ_ORIGINS: Final = """
SELECT o.unit_id, o.lead_id, o.original_lead_id, o.taken_in_until
FROM lead_origins o JOIN unnest($1::text[], $2::text[]) AS requested (unit_id, lead_id)
  ON o.unit_id = requested.unit_id AND o.lead_id = requested.lead_id
WHERE o.taken_in_until IS NOT NULL
"""

READ_ENTRIES: Final = """
SELECT e.unit_id, e.lead_id, e.entry_id, e.kind, e.event_id, e.subject_id, e.ruleset_id, e.occurred_at,
       e.awards::text, e.multiplier, e.points, e.applied
FROM score_entries e JOIN unnest($1::text[], $2::text[]) AS requested (unit_id, lead_id)
  ON e.unit_id = requested.unit_id AND e.lead_id = requested.lead_id
WHERE e.superseded_at IS NULL
"""

READ_SURGE_EVENTS: Final = """
SELECT s.unit_id, s.lead_id, s.event_id, s.occurred_at, s.channel, s.started_at, s.surge_count, s.multiplier
FROM surge_events s JOIN unnest($1::text[], $2::text[]) AS requested (unit_id, lead_id)
  ON s.unit_id = requested.unit_id AND s.lead_id = requested.lead_id
"""

ROWS_PER_FETCH: Final = 500

_metadata = msgspec.json.Decoder(dict[str, Any])
_awards = lru_cache(maxsize=4096)(msgspec.json.Decoder(tuple[tuple[str, int], ...]).decode)
"""Cached, since most entries have the same few awards."""

METADATA_NOT_READ: Final[dict[str, Any]] = {}
"""The metadata of events whose type has no rule with conditions."""

StoredVerdict = tuple[str | None, UUID | None]
"""Suppression reason and session of an event."""

Origins = dict[tuple[str, str, str], int]
"""(unit, lead, original lead) → the instant until which resets of the original lead, made before its merge, apply."""


class StoredEvent(NamedTuple):
    """A row of the event log."""

    unit_id: str
    lead_id: str
    original_lead_id: str | None
    event_id: UUID
    event_type: str
    occurred_at: datetime
    digest: bytes
    idempotency_key: str | None
    version: int
    metadata: str | None
    channel: str | None
    suppression_reason: str | None = None
    session_id: UUID | None = None

    def as_fact(self, origins: Origins) -> Event:
        """The engine's event, as it counts in the lead that it belongs to now."""
        event = Event(
            id=self.event_id,
            type=self.event_type,
            at=micros(self.occurred_at),
            digest=self.digest,
            key=self.idempotency_key or "",
            version=self.version,
            metadata=METADATA_NOT_READ if self.metadata is None else _metadata.decode(self.metadata),
            channel=self.channel or "",
        )
        if not origins:
            return event
        origin = self.unit_id, self.lead_id, self.original_lead_id or self.lead_id
        return with_origin_reset(event, origins.get(origin))


class StoredEntry(NamedTuple):
    """A current entry of the ledger."""

    entry_id: int
    kind: Kind
    cause: Cause
    ruleset_id: str
    at: int
    awards: Awards
    multiplier: int
    points: int
    applied: int


@dataclass(slots=True)
class History:
    """A lead as stored: its facts in no particular order, its current ledger, surge events, and verdicts on events."""

    facts: list[Fact] = field(default_factory=list[Fact])
    entries: list[StoredEntry] = field(default_factory=list[StoredEntry])
    surge_events: list[SurgeEvent] = field(default_factory=list[SurgeEvent])
    verdicts: dict[UUID, StoredVerdict] = field(default_factory=dict[UUID, StoredVerdict])


async def load(
    connection: asyncpg.Connection, leads: Sequence[LeadKey], metadata_types: Collection[str]
) -> dict[LeadKey, History]:
    """The histories of leads that this transaction has locked. Only events of `metadata_types` have their metadata."""
    histories = {lead: History() for lead in leads}
    if not leads:
        return histories
    keys = [unit for unit, _ in leads], [lead for _, lead in leads]
    origins = await load_origins(connection, leads)
    async for rows in _pages(connection, READ_EVENTS, *keys, list(metadata_types)):
        for row in rows:
            event = StoredEvent(*row)
            history = histories[event.unit_id, event.lead_id]
            history.facts.append(event.as_fact(origins))
            history.verdicts[event.event_id] = (event.suppression_reason, event.session_id)
    for lead, facts in (await load_adjustments_and_resets(connection, leads, origins)).items():
        histories[lead].facts += facts
    async for rows in _pages(connection, READ_ENTRIES, *keys):
        for row in rows:
            histories[row["unit_id"], row["lead_id"]].entries.append(_entry(row))
    async for rows in _pages(connection, READ_SURGE_EVENTS, *keys):
        for row in rows:
            histories[row["unit_id"], row["lead_id"]].surge_events.append(_surge_event(row))
    return histories


async def _pages(
    connection: asyncpg.Connection, query: str, *arguments: object
) -> AsyncGenerator[Sequence[asyncpg.Record]]:
    """The rows, a few hundred at a time, so that a long history doesn't block the event loop."""
    cursor = await connection.cursor(query, *arguments)
    while rows := await cursor.fetch(ROWS_PER_FETCH):
        yield rows
        if len(rows) < ROWS_PER_FETCH:
            return


async def load_adjustments_and_resets(
    connection: asyncpg.Connection, leads: Sequence[LeadKey], origins: Origins
) -> dict[LeadKey, list[Fact]]:
    """The adjustments and resets of leads, by lead."""
    keys = [unit for unit, _ in leads], [lead for _, lead in leads]
    facts: dict[LeadKey, list[Fact]] = {}
    for unit_id, lead_id, original, *columns in await connection.fetch(READ_ADJUSTMENTS, *keys):
        adjustment_id, adjusted_at, ruleset_id, points = columns
        adjustment = Adjustment(adjustment_id, micros(adjusted_at), ruleset_id, points)
        if as_counted(adjustment, origins.get((unit_id, lead_id, original or lead_id))) is not None:
            facts.setdefault((unit_id, lead_id), []).append(adjustment)
    for unit_id, lead_id, reset_id, reset_at in await connection.fetch(READ_RESETS, *keys):
        facts.setdefault((unit_id, lead_id), []).append(Reset(reset_id, micros(reset_at)))
    return facts


async def load_origins(connection: asyncpg.Connection, leads: Sequence[LeadKey]) -> Origins:
    """The effect of resets that merged leads had before their merge; see `Origins`."""
    rows = await connection.fetch(READ_ORIGINS, [unit for unit, _ in leads], [lead for _, lead in leads])
    return {(unit_id, lead_id, original): micros(until) for unit_id, lead_id, original, until in rows}


def with_origin_reset(event: Event, reset_until: int | None) -> Event:
    """The event as it counts in a merged lead; see `as_counted`."""
    counted = as_counted(event, reset_until)
    return counted if isinstance(counted, Event) else event


def _entry(row: asyncpg.Record) -> StoredEntry:
    _, _, entry_id, kind, event_id, subject_id, ruleset_id, occurred_at, awards, multiplier, points, applied = row
    return StoredEntry(
        entry_id=entry_id,
        kind=kind,
        cause=_cause(kind, event_id, subject_id),
        ruleset_id=ruleset_id,
        at=micros(occurred_at),
        awards=_awards(awards),
        multiplier=multiplier,
        points=points,
        applied=applied,
    )


def _surge_event(row: asyncpg.Record) -> SurgeEvent:
    _, _, event_id, occurred_at, channel, started_at, count, multiplier = row
    return SurgeEvent(event_id, micros(occurred_at), channel or "", micros(started_at), count, multiplier)


def _cause(kind: Kind, event_id: UUID | None, subject_id: str) -> Cause:
    if event_id is not None:
        return event_id
    return UUID(subject_id) if kind in {"adjustment", "reset"} else subject_id
