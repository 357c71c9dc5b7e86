"""The timeline of a lead, newest first: its events, its resets, merges and alias conflicts, and its decay steps."""

from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Select,
    SQLColumnExpression,
    Subquery,
    Text,
    Uuid,
    cast,
    extract,
    func,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.http.paging import Page
from leadvibe.core.scope import Scope
from leadvibe.events.models import Event
from leadvibe.events.repository import COLUMNS, EventPage
from leadvibe.events.schemas import LeadEventFilter
from leadvibe.identity.leads import survivor_of
from leadvibe.leads.models import TimelineEntry
from leadvibe.scores.models import ScoreEntry

DECAY = cast("DECAY", Text)
SYSTEM = cast("system", Text)
"""The channel of entries that are not events."""

Value = SQLColumnExpression[Any]
Rows = Select[*tuple[Any, ...]]
"""A query for rows of the COLUMNS."""


class Timeline:
    isolation: ClassVar = "REPEATABLE READ"

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def of_lead(self, lead_id: str, where: LeadEventFilter, page: Page) -> EventPage:
        lead_id, merged_from = await survivor_of(self.session, self.scope, lead_id)
        offset = page.offset if where.start is None else 0
        parts = [rows(self.scope, lead_id).subquery() for rows in (events_of, notes_of, decays_of)]
        # Each part has a limit of its own, so that it can use its own index.
        newest = union_all(*(_newest(part, where).limit(offset + page.limit + 1) for part in parts))
        query = _newest(newest.subquery(), where).offset(offset).limit(page.limit + 1)
        rows = (await self.session.execute(query)).all()
        matching = union_all(*(_of_type(part, where.event_type) for part in parts)).subquery()
        total = await self.session.scalar(select(func.count()).select_from(matching))
        return EventPage.of(self.scope, rows, page, total or 0, merged_from)


def events_of(scope: Scope, lead_id: str) -> Rows:
    return select(*COLUMNS).where(Event.unit_id == scope.unit_id, Event.lead_id == lead_id)


def notes_of(scope: Scope, lead_id: str) -> Rows:
    """Resets, merges and alias conflicts."""
    return select(
        *_row(
            _identity(TimelineEntry.lead_id, TimelineEntry.kind, TimelineEntry.subject),
            TimelineEntry.lead_id,
            TimelineEntry.kind,
            TimelineEntry.occurred_at,
            TimelineEntry.occurred_at,
            SYSTEM,
            TimelineEntry.data.concat(func.jsonb_build_object("channel", SYSTEM)),
        )
    ).where(TimelineEntry.unit_id == scope.unit_id, TimelineEntry.lead_id == lead_id)


def decays_of(scope: Scope, lead_id: str) -> Rows:
    """The decay steps of the current ledger. One row has the step in all rulesets."""
    instant = cast(extract("epoch", ScoreEntry.occurred_at) * 1_000_000, BigInteger)
    data = func.jsonb_build_object(
        *("channel", SYSTEM),
        *("decay_id", ScoreEntry.subject_id),
        *("steps", 1),
        *("decrease", -func.min(ScoreEntry.points)),
        *("rulesets", func.jsonb_object_agg(ScoreEntry.ruleset_id, ScoreEntry.applied)),
    )
    step = (ScoreEntry.lead_id, ScoreEntry.occurred_at, ScoreEntry.subject_id)
    return (
        select(
            *_row(
                _identity(ScoreEntry.lead_id, ScoreEntry.subject_id, instant),
                ScoreEntry.lead_id,
                DECAY,
                ScoreEntry.occurred_at,
                func.max(ScoreEntry.recorded_at),
                SYSTEM,
                data,
            )
        )
        .where(ScoreEntry.unit_id == scope.unit_id, ScoreEntry.lead_id == lead_id)
        .where(ScoreEntry.superseded_at.is_(None), ScoreEntry.kind == "decay", ScoreEntry.applied != 0)
        .group_by(*step)
    )


def _row(*values: Value) -> list[Value]:
    """The COLUMNS of an entry that is not an event."""
    suppression_and_origin = (null(), null())
    return [value.label(column.name) for value, column in zip((*values, *suppression_and_origin), COLUMNS, strict=True)]


def _identity(*parts: Value) -> Value:
    """An id that is the same in each read, so that the next page starts where the last one ended."""
    return cast(func.md5(func.concat_ws("/", *parts)), Uuid)


def _newest(part: Subquery, where: LeadEventFilter) -> Rows:
    query = _of_type(part, where.event_type).order_by(part.c.occurred_at.desc(), part.c.event_id.desc())
    if where.start is not None:
        query = query.where(tuple_(part.c.occurred_at, part.c.event_id) < where.start)
    return query


def _of_type(part: Subquery, event_type: str | None) -> Rows:
    return select(part) if event_type is None else select(part).where(part.c.event_type == event_type)
