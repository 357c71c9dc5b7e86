"""Explains how a lead's total in one ruleset changed since an instant, in parts that add up to the change."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, exists, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from leadvibe.events.models import Event
from leadvibe.identity.leads import survivor_of
from leadvibe.leads.models import Lead, LeadOrigin
from leadvibe.rulesets.models import Rule
from leadvibe.scores.models import ScoreEntry, ScoreReset
from leadvibe.scores.repository import RulesetNow, ScoreRepository
from leadvibe.scores.rule_labels import label, rule_labels

NO_SURGE = 1000
"""The multiplier of an entry without surge, in thousandths."""

EVENT_OF_ENTRY = and_(Event.unit_id == ScoreEntry.unit_id, Event.event_id == ScoreEntry.event_id)


@dataclass(frozen=True, slots=True)
class Driver:
    """What one rule paid for one event type at one weight. A rule whose weight was changed has several drivers."""

    rule_id: str
    event_type: str
    weight: int
    count: int
    filter_label: str | None

    @property
    def total(self) -> int:
        return self.weight * self.count


@dataclass(frozen=True, slots=True)
class RuleNow:
    """A rule that pays today."""

    rule_id: str
    event_type: str
    weight: int
    filter_label: str | None


@dataclass(frozen=True, slots=True)
class SurgeBoost:
    """The points that surges added to events of one type."""

    event_type: str
    count: int
    boost: int


@dataclass(frozen=True, slots=True)
class Movement:
    """The change of a total, and its parts."""

    drivers_total: int
    surge_total: int
    decay_applied: int
    adjustments: int
    floor_adjustment: int
    score_change: int
    surge_event_count: int


@dataclass(frozen=True, slots=True)
class LeadExplanation(Movement):
    lead_id: str
    merged_from: str | None
    ruleset_id: str | None
    ruleset_name: str | None
    score: int
    since: datetime | None
    range_hours: int | None
    score_reset_at: datetime | None
    reset_excluded_count: int
    inorganic_count: int
    top_drivers: Sequence[Driver]
    snapshot: Sequence[RuleNow]
    surge_boost: Sequence[SurgeBoost]


class LeadExplanationRepository(ScoreRepository):
    isolation: ClassVar = "REPEATABLE READ"

    async def explain(self, lead_id: str, ruleset_id: str | None, hours: int | None) -> LeadExplanation:
        """The change since the last reset, limited to the last `hours` if they are given.

        Without a `ruleset_id`, in the primary ruleset.
        """
        lead_id, merged_from = await survivor_of(self.session, self.scope, lead_id)
        shown_reset_at = await self._shown_reset_at(lead_id)
        totals = (await self.totals([lead_id])).get(lead_id, {})
        rulesets = await self.rulesets()
        ruleset = rulesets.primary if ruleset_id is None else rulesets.by_id(ruleset_id)
        reset_at, since = await self._last_reset_and_start(lead_id, hours)
        in_explanation = self._current_since(lead_id, ruleset, since)
        return LeadExplanation(
            **asdict(await self._movement(in_explanation)),
            lead_id=lead_id,
            merged_from=merged_from,
            ruleset_id=ruleset and ruleset.ruleset_id,
            ruleset_name=ruleset and ruleset.name,
            score=rulesets.score(lead_id, totals, ruleset).score,
            since=since,
            range_hours=hours,
            score_reset_at=shown_reset_at,
            reset_excluded_count=await self._count_excluded(lead_id, ruleset, reset_at),
            inorganic_count=await self._count_suppressed(lead_id, since),
            top_drivers=await self._drivers(in_explanation),
            snapshot=await self._rules_now(ruleset),
            surge_boost=await self._boosts(in_explanation),
        )

    async def _shown_reset_at(self, lead_id: str) -> datetime | None:
        """The last reset that changed a total; resets of totals that were zero are not shown."""
        query = select(Lead.score_reset_at).where(Lead.unit_id == self.scope.unit_id, Lead.lead_id == lead_id)
        return await self.session.scalar(query)

    async def _last_reset_and_start(self, lead_id: str, hours: int | None) -> tuple[datetime | None, datetime | None]:
        """The time of the lead's last reset, and the instant after which changes count.

        Resets of totals that were zero count, too.
        """
        reset = func.max(ScoreReset.reset_at)
        query = select(reset, func.now()).where(
            ScoreReset.unit_id == self.scope.unit_id, ScoreReset.lead_id == lead_id, ScoreReset.in_origins.is_(False)
        )
        reset_at, now = (await self.session.execute(query)).one()
        bounds = [reset_at, None if hours is None else now - timedelta(hours=hours)]
        return reset_at, max((bound for bound in bounds if bound is not None), default=None)

    def _current_since(self, lead_id: str, ruleset: RulesetNow | None, since: datetime | None) -> ColumnElement[bool]:
        """The condition for the current entries after an instant."""
        return and_(
            ScoreEntry.unit_id == self.scope.unit_id,
            ScoreEntry.lead_id == lead_id,
            ScoreEntry.ruleset_id == (ruleset and ruleset.ruleset_id),
            ScoreEntry.superseded_at.is_(None),
            *([] if since is None else [ScoreEntry.occurred_at > since]),
        )

    async def _movement(self, in_explanation: ColumnElement[bool]) -> Movement:
        base, points, applied = ScoreEntry.base, ScoreEntry.points, ScoreEntry.applied
        surge_events = func.count().filter(ScoreEntry.multiplier != NO_SURGE)
        query = select(
            _sum(base, "event"),
            _sum(points - base, "event"),
            _sum(applied, "decay"),
            _sum(applied, "adjustment"),
            _sum(applied - points, "event") + _sum(applied, "lift"),
            func.coalesce(func.sum(applied), 0),
            surge_events,
        ).where(in_explanation)
        return Movement(*map(int, (await self.session.execute(query)).one()))

    async def _drivers(self, in_explanation: ColumnElement[bool]) -> list[Driver]:
        """Sorted by the size of their total, largest first."""
        award = func.jsonb_array_elements(ScoreEntry.awards, type_=JSONB).column_valued("award", joins_implicitly=True)
        rule_id, weight = award[0].astext, award[1].as_integer()
        # Not the entry's version: a rescore that gives the same points doesn't change the entry.
        version = func.max(func.greatest(Event.config_version, Lead.stamped_version))
        query = (
            select(version, rule_id, Event.event_type, weight, func.count())
            .select_from(ScoreEntry)
            .join(Event, EVENT_OF_ENTRY)
            .join(Lead, and_(Lead.unit_id == Event.unit_id, Lead.lead_id == Event.lead_id))
            .where(in_explanation)
            .group_by(rule_id, Event.event_type, weight)
        )
        rows = (await self.session.execute(query)).all()
        labels = await rule_labels(self.session, self.scope, {row[0] for row in rows}, {row[1] for row in rows})
        drivers = [Driver(*row[1:], labels.get((row[0], row[1]))) for row in rows]
        return sorted(drivers, key=lambda driver: (-abs(driver.total), driver.event_type, driver.rule_id))

    async def _boosts(self, in_explanation: ColumnElement[bool]) -> list[SurgeBoost]:
        boost = func.sum(ScoreEntry.points - ScoreEntry.base)
        query = (
            select(Event.event_type, func.count(), boost)
            .select_from(ScoreEntry)
            .join(Event, EVENT_OF_ENTRY)
            .where(in_explanation, ScoreEntry.multiplier != NO_SURGE)
            .group_by(Event.event_type)
            .order_by(boost.desc(), Event.event_type)
        )
        rows = await self.session.execute(query)
        return [SurgeBoost(event_type, count, int(boost)) for event_type, count, boost in rows]

    async def _rules_now(self, ruleset: RulesetNow | None) -> list[RuleNow]:
        """The rules that pay today, largest weight first; none if the ruleset isn't active."""
        if ruleset is None or not ruleset.active:
            return []
        query = select(Rule.rule_id, Rule.event_type, Rule.weight, Rule.attribute_filters).where(
            Rule.unit_id == self.scope.unit_id,
            Rule.ruleset_id == ruleset.ruleset_id,
            Rule.active,
            or_(Rule.start_at.is_(None), Rule.start_at <= func.now()),
            or_(Rule.end_at.is_(None), Rule.end_at > func.now()),
        )
        ordered = query.order_by(func.abs(Rule.weight).desc(), Rule.event_type, Rule.rule_id)
        return [RuleNow(*row[:3], label(row[3])) for row in await self.session.execute(ordered)]

    async def _count_excluded(self, lead_id: str, ruleset: RulesetNow | None, reset_at: datetime | None) -> int:
        """The number of events that changed the ruleset's total before a reset.

        Besides the lead's own reset, that is the last reset of each lead that was merged into it.
        """
        scored = and_(
            ScoreEntry.unit_id == self.scope.unit_id,
            ScoreEntry.ruleset_id == (ruleset and ruleset.ruleset_id),
            ScoreEntry.kind == "event",
            ScoreEntry.applied != 0,
        )
        counts = [await self._count_reset_before_merge(lead_id, scored)]
        if reset_at is not None:
            own = (
                ScoreEntry.lead_id == lead_id,
                ScoreEntry.superseded_at.is_(None),
                ScoreEntry.occurred_at <= reset_at,
            )
            counts.append(await self._count(select(func.count()).select_from(ScoreEntry).where(scored, *own)))
        return sum(counts)

    async def _count_reset_before_merge(self, lead_id: str, scored: ColumnElement[bool]) -> int:
        """The events that scored in one of the lead's origins, and that a reset cleared before the merge.

        They have no line in the merged lead's ledger. The superseded lines of the origins tell that they scored.
        """
        origins = select(LeadOrigin.original_lead_id).where(
            LeadOrigin.unit_id == self.scope.unit_id, LeadOrigin.lead_id == lead_id
        )
        line = exists().where(
            scored,
            ScoreEntry.lead_id.in_(origins),
            ScoreEntry.superseded_at.is_not(None),
            ScoreEntry.event_id == Event.event_id,
        )
        origin = and_(
            LeadOrigin.unit_id == Event.unit_id,
            LeadOrigin.lead_id == Event.lead_id,
            LeadOrigin.original_lead_id == func.coalesce(Event.original_lead_id, Event.lead_id),
        )
        cleared = self._select_count(lead_id).join(LeadOrigin, origin)
        return await self._count(cleared.where(Event.occurred_at <= LeadOrigin.taken_in_until, line))

    async def _count(self, query: Select[int]) -> int:
        return (await self.session.scalars(query)).one()

    async def _count_suppressed(self, lead_id: str, since: datetime | None) -> int:
        query = self._select_count(lead_id).where(Event.suppression_reason.is_not(None))
        if since is not None:
            query = query.where(Event.occurred_at > since)
        return await self._count(query)

    def _select_count(self, lead_id: str) -> Select[int]:
        return (
            select(func.count()).select_from(Event).where(Event.unit_id == self.scope.unit_id, Event.lead_id == lead_id)
        )


def _sum(amount: SQLColumnExpression[int], kind: str) -> ColumnElement[int]:
    """The sum over the entries of a kind; 0 without any."""
    return func.coalesce(func.sum(amount).filter(ScoreEntry.kind == kind), 0)
