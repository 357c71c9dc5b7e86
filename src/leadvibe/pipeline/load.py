"""Reads the history of leads for a replay: all of their facts, and the current ledger."""

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from leadvibe.core.instants import micros
from leadvibe.engine import Adjustment, Awards, Cause, Event, Fact, Kind, Reset, as_counted
from leadvibe.identity.locks import LeadKey

# Every statement takes the leads as two arrays and answers with the lead's key first.
READ_EVENTS: Final = """
SELECT f.unit_id, f.lead_id, f.original_lead_id, f.event_id, f.event_type, f.occurred_at, f.digest, f.idempotency_key,
       greatest(f.config_version, l.stamped_version),
       CASE WHEN f.event_type = ANY($3::text[]) THEN f.metadata::text END, f.channel, f.suppression_reason, f.session_id
FROM unnest($1::text[], $2::text[]) AS w (unit_id, lead_id)
JOIN leads l ON l.unit_id = w.unit_id AND l.lead_id = w.lead_id
JOIN events f ON f.unit_id = l.unit_id AND f.lead_id = l.lead_id
"""

READ_ADJUSTMENTS: Final = """
SELECT f.unit_id, f.lead_id, f.original_lead_id, f.adjustment_id, f.adjusted_at, f.ruleset_id, f.points
FROM score_adjustments f JOIN unnest($1::text[], $2::text[]) AS w (unit_id, lead_id)
  ON f.unit_id = w.unit_id AND f.lead_id = w.lead_id
"""

READ_RESETS: Final = """
SELECT f.unit_id, f.lead_id, f.reset_id, f.reset_at
FROM score_resets f JOIN unnest($1::text[], $2::text[]) AS w (unit_id, lead_id)
  ON f.unit_id = w.unit_id AND f.lead_id = w.lead_id
WHERE NOT f.in_origins
"""

READ_ORIGINS: Final = """
SELECT o.unit_id, o.lead_id, o.original_lead_id, o.taken_in_until
FROM lead_origins o JOIN unnest($1::text[], $2::text[]) AS w (unit_id, lead_id)
  ON o.unit_id = w.unit_id AND o.lead_id = w.lead_id
WHERE o.taken_in_until IS NOT NULL
"""

READ_ENTRIES: Final = """
SELECT e.unit_id, e.lead_id, e.entry_id, e.kind, e.event_id, e.subject_id, e.ruleset_id, e.occurred_at,
       e.awards::text, e.multiplier, e.points, e.applied
FROM score_entries e JOIN unnest($1::text[], $2::text[]) AS w (unit_id, lead_id)
  ON e.unit_id = w.unit_id AND e.lead_id = w.lead_id
WHERE e.superseded_at IS NULL
"""

ROWS_PER_FETCH: Final = 500

_metadata = msgspec.json.Decoder(dict[str, Any])
_awards = lru_cache(maxsize=4096)(msgspec.json.Decoder(tuple[tuple[str, int], ...]).decode)
"""Cached, since most entries have the same few awards."""

METADATA_NOT_READ: Final[dict[str, Any]] = {}
"""The metadata of events whose type has no rule with conditions."""

StoredVerdict = tuple[str | None, UUID | None]
"""What is stored of an event's mark: suppression reason and session."""

Origins = dict[tuple[str, str, str], int]
"""(unit, lead, lead of origin) → the instant up to which that lead's own resets took its facts in."""


class StoredEntry(NamedTuple):
    """A current line of the ledger."""

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
    """A lead as it is stored: facts in no order, the current ledger, what became of each event."""

    facts: list[Fact] = field(default_factory=list[Fact])
    entries: list[StoredEntry] = field(default_factory=list[StoredEntry])
    verdicts: dict[UUID, StoredVerdict] = field(default_factory=dict[UUID, StoredVerdict])


async def load(
    connection: asyncpg.Connection, leads: Sequence[LeadKey], metadata_types: Collection[str]
) -> dict[LeadKey, History]:
    """The histories of leads that this transaction has locked; only events of the types asked for have metadata."""
    histories = {lead: History() for lead in leads}
    if not leads:
        return histories
    wanted = [unit for unit, _ in leads], [lead for _, lead in leads]
    origins = await load_origins(connection, leads)
    async for rows in _pages(connection, READ_EVENTS, *wanted, list(metadata_types)):
        for row in rows:
            history = histories[row[0], row[1]]
            history.facts.append(with_origin_reset(_event(row), origins.get(_origin(row))))
            history.verdicts[row[3]] = (row[11], row[12])
    for lead, facts in (await load_adjustments_and_resets(connection, leads, origins)).items():
        histories[lead].facts += facts
    async for rows in _pages(connection, READ_ENTRIES, *wanted):
        for row in rows:
            histories[row[0], row[1]].entries.append(_entry(row))
    return histories


async def _pages(
    connection: asyncpg.Connection, query: str, *arguments: object
) -> AsyncGenerator[Sequence[asyncpg.Record]]:
    """The rows, a few hundred at a time, so that a long history leaves other work of the process its turn."""
    cursor = await connection.cursor(query, *arguments)
    while rows := await cursor.fetch(ROWS_PER_FETCH):
        yield rows
        if len(rows) < ROWS_PER_FETCH:
            return


async def load_adjustments_and_resets(
    connection: asyncpg.Connection, leads: Sequence[LeadKey], origins: Origins
) -> dict[LeadKey, list[Fact]]:
    """The adjustments and resets of leads, by lead."""
    wanted = [unit for unit, _ in leads], [lead for _, lead in leads]
    facts: dict[LeadKey, list[Fact]] = {}
    for row in await connection.fetch(READ_ADJUSTMENTS, *wanted):
        adjustment = Adjustment(row[3], micros(row[4]), row[5], row[6])
        if as_counted(adjustment, origins.get(_origin(row))) is not None:
            facts.setdefault((row[0], row[1]), []).append(adjustment)
    for row in await connection.fetch(READ_RESETS, *wanted):
        facts.setdefault((row[0], row[1]), []).append(Reset(row[2], micros(row[3])))
    return facts


async def load_origins(connection: asyncpg.Connection, leads: Sequence[LeadKey]) -> Origins:
    """How far the resets of merged leads reached, made while each was a lead of its own."""
    rows = await connection.fetch(READ_ORIGINS, [unit for unit, _ in leads], [lead for _, lead in leads])
    return {(row[0], row[1], row[2]): micros(row[3]) for row in rows}


def with_origin_reset(event: Event, reset_until: int | None) -> Event:
    """The event as it counts in a merged lead; see `as_counted`."""
    counted = as_counted(event, reset_until)
    return counted if isinstance(counted, Event) else event


def _origin(row: asyncpg.Record) -> tuple[str, str, str]:
    return row[0], row[1], row[2] or row[1]


def _event(row: asyncpg.Record) -> Event:
    return Event(
        id=row[3],
        type=row[4],
        at=micros(row[5]),
        digest=row[6],
        key=row[7] or "",
        version=row[8],
        metadata=METADATA_NOT_READ if row[9] is None else _metadata.decode(row[9]),
        channel=row[10] or "",
    )


def _entry(row: asyncpg.Record) -> StoredEntry:
    return StoredEntry(
        entry_id=row[2],
        kind=row[3],
        cause=_cause(row[3], row[4], row[5]),
        ruleset_id=row[6],
        at=micros(row[7]),
        awards=_awards(row[8]),
        multiplier=row[9],
        points=row[10],
        applied=row[11],
    )


def _cause(kind: Kind, event_id: UUID | None, subject_id: str) -> Cause:
    if event_id is not None:
        return event_id
    return UUID(subject_id) if kind in {"adjustment", "reset"} else subject_id
