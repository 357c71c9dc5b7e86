"""Reads the activity of one lead: its timeline, with each event's effect on the score, and its orders."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    SQLColumnExpression,
    Subquery,
    Text,
    and_,
    case,
    cast,
    extract,
    func,
    literal,
    null,
    select,
    union_all,
)

from leadvibe.activity.schemas import ActivityFilter
from leadvibe.core.ranges import TimeSpan
from leadvibe.events.conditions import hidden_types
from leadvibe.events.models import Event
from leadvibe.events.repository import EventRow
from leadvibe.events.system_rows import Rows, adjustments_of, notes_of, steps_of
from leadvibe.events.timeline import events_of
from leadvibe.identity.leads import survivor_of
from leadvibe.leads.models import TimelineEntry
from leadvibe.orders.repository import OrderRepository, OrderRow
from leadvibe.scores.models import ScoreAdjustment, ScoreEntry
from leadvibe.scores.repository import ScoreRepository
from leadvibe.scores.system_rows import subject_of_reset

LATENCY = func.greatest(cast(extract("epoch", Event.scored_at - Event.received_at) * 1000, BigInteger), 0)
NO_LATENCY = cast(null(), BigInteger)


@dataclass(frozen=True, slots=True)
class ActivityEvent(EventRow):
    score_delta: int
    latency_ms: int | None
    type: Literal["event"] = "event"


@dataclass(frozen=True, slots=True)
class Activity:
    """Newest first, each list with at most `limit` rows."""

    events: Sequence[ActivityEvent]
    orders: Sequence[OrderRow]
    timeline: Sequence[ActivityEvent | OrderRow]
    merged_from: str | None


class ActivityRepository(ScoreRepository):
    isolation: ClassVar = "REPEATABLE READ"  # its queries must agree with each other

    async def of_lead(self, lead_id: str, where: ActivityFilter) -> Activity:
        window = where.window(datetime.now(UTC))
        lead_id, merged_from = await survivor_of(self.session, self.scope, lead_id)
        events = await self._events(lead_id, where, window)
        orders = await OrderRepository(self.session, self.scope).of(lead_id, window, where.limit)
        both = sorted([*events, *orders], key=lambda row: row.occurred_at, reverse=True)
        return Activity(events, orders, both[: where.limit], merged_from)

    async def _events(self, lead_id: str, where: ActivityFilter, window: TimeSpan) -> Sequence[ActivityEvent]:
        primary = (await self.rulesets()).primary
        ruleset_id = primary and primary.ruleset_id
        parts = [part.subquery() for part in self._parts(lead_id, ruleset_id)]
        # Each part has its own LIMIT, so that an index serves it.
        newest = union_all(*(_newest(part, *_conditions(part, where, window)).limit(where.limit) for part in parts))
        rows = (await self.session.execute(_newest(newest.subquery()).limit(where.limit))).mappings()
        return [self._event(dict(row)) for row in rows]

    def _event(self, columns: dict[Any, Any]) -> ActivityEvent:
        metadata = columns.pop("attributes")  # the attribute of `Event` for the column `metadata`
        return ActivityEvent(org_id=self.scope.org_id, unit_id=self.scope.unit_id, metadata=metadata, **columns)

    def _parts(self, lead_id: str, ruleset_id: str | None) -> Iterator[Rows]:
        """The parts of the lead's timeline, each row with its score_delta and latency_ms."""
        event_delta = self._applied(lead_id, ruleset_id, Event.occurred_at, ScoreEntry.event_id == Event.event_id)
        hidden = hidden_types(self.scope)
        yield _with_effects(events_of(self.scope, lead_id).where(Event.event_type.not_in(hidden)), event_delta, LATENCY)
        is_reset = and_(ScoreEntry.kind == "reset", subject_of_reset(ScoreEntry.subject_id) == TimelineEntry.subject)
        reset_delta = self._applied(lead_id, ruleset_id, TimelineEntry.occurred_at, is_reset)
        note_delta = case((TimelineEntry.kind == "score_reset", reset_delta), else_=literal(0, BigInteger))
        yield _with_effects(notes_of(self.scope, lead_id), note_delta, NO_LATENCY)
        is_adjustment = and_(
            ScoreEntry.kind == "adjustment", ScoreEntry.subject_id == cast(ScoreAdjustment.adjustment_id, Text)
        )
        adjustment_delta = self._applied(lead_id, ruleset_id, ScoreAdjustment.adjusted_at, is_adjustment)
        yield _with_effects(adjustments_of(self.scope, lead_id), adjustment_delta, NO_LATENCY)
        step_delta = func.sum(ScoreEntry.applied).filter(ScoreEntry.ruleset_id == ruleset_id)
        yield _with_effects(steps_of(self.scope, lead_id), func.coalesce(cast(step_delta, BigInteger), 0), NO_LATENCY)

    def _applied(
        self,
        lead_id: str,
        ruleset_id: str | None,
        occurred_at: SQLColumnExpression[datetime],
        matches: ColumnElement[bool],
    ) -> ColumnElement[int]:
        """How much the current ledger entry for an event, a reset or an adjustment changed the ruleset's total.

        The condition on `occurred_at` lets an index find the entry.
        """
        entry = and_(
            ScoreEntry.unit_id == self.scope.unit_id,
            ScoreEntry.lead_id == lead_id,
            ScoreEntry.ruleset_id == ruleset_id,
            ScoreEntry.occurred_at == occurred_at,
            ScoreEntry.superseded_at.is_(None),
        )
        applied = select(cast(func.sum(ScoreEntry.applied), BigInteger)).where(entry, matches).scalar_subquery()
        return func.coalesce(applied, 0)


def _with_effects(rows: Rows, score_delta: ColumnElement[Any], latency_ms: ColumnElement[Any]) -> Rows:
    return rows.add_columns(score_delta.label("score_delta"), latency_ms.label("latency_ms"))


def _newest(part: Subquery, *conditions: ColumnElement[bool]) -> Rows:
    return select(part).where(*conditions).order_by(part.c.occurred_at.desc(), part.c.event_id.desc())


def _conditions(part: Subquery, where: ActivityFilter, window: TimeSpan) -> Iterator[ColumnElement[bool]]:
    if window.since is not None:
        yield part.c.occurred_at >= window.since
    if window.until is not None:
        yield part.c.occurred_at < window.until
    if where.channel != "all":
        yield part.c.channel == where.channel
    if where.min_score is not None:
        yield part.c.score_delta >= where.min_score
    if where.max_latency is not None:
        yield part.c.latency_ms <= where.max_latency
    if where.has_delta in {"1", "true"}:
        yield part.c.score_delta != 0
