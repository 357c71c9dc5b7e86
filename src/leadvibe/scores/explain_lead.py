"""Explains one ruleset's total of a lead: what moved it since an instant, in parts that add up to how far it moved."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from leadvibe.core.database.queries import among
from leadvibe.core.http.problems import NotFound
from leadvibe.events.models import Event
from leadvibe.leads.models import Lead, LeadOrigin
from leadvibe.rulesets.models import ConfigVersion, Rule
from leadvibe.scores.models import ScoreEntry, ScoreReset
from leadvibe.scores.repository import RulesetNow, ScoreRepository

UNSURGED = 1000

EVENT = and_(Event.unit_id == ScoreEntry.unit_id, Event.event_id == ScoreEntry.event_id)
"""The event of an entry."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What one rule paid for one type of event, at one of the weights it had."""

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
    rule_id: str
    event_type: str
    weight: int
    filter_label: str | None


@dataclass(frozen=True, slots=True)
class SurgeBoost:
    event_type: str
    count: int
    boost: int


@dataclass(frozen=True, slots=True)
class Movement:
    """How far a total moved, and the parts of it."""

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


class LeadExplanations(ScoreRepository):
    isolation: ClassVar = "REPEATABLE READ"

    async def explain(self, lead_id: str, ruleset_id: str | None, hours: int | None) -> LeadExplanation:
        """Since the last reset, or if that is longer ago, in the last hours."""
        shown_reset = await self._shown_reset(lead_id)
        totals = (await self.totals([lead_id])).get(lead_id, {})
        rulesets = await self.rulesets()
        ruleset = rulesets.primary if ruleset_id is None else rulesets.of_id(ruleset_id)
        reset_at, since = await self._window(lead_id, hours)
        told = self._told(lead_id, ruleset, since)
        return LeadExplanation(
            **asdict(await self._movement(told)),
            lead_id=lead_id,
            ruleset_id=ruleset and ruleset.ruleset_id,
            ruleset_name=ruleset and ruleset.name,
            score=rulesets.score(lead_id, totals, ruleset).score,
            since=since,
            range_hours=hours,
            score_reset_at=shown_reset,
            reset_excluded_count=await self._excluded(lead_id, reset_at),
            inorganic_count=await self._suppressed(lead_id, since),
            top_drivers=await self._drivers(told),
            snapshot=await self._rules_now(ruleset),
            surge_boost=await self._boosts(told),
        )

    async def _shown_reset(self, lead_id: str) -> datetime | None:
        query = select(Lead.score_reset_at).where(Lead.unit_id == self.scope.unit_id, Lead.lead_id == lead_id)
        found = (await self.session.execute(query)).one_or_none()
        if found is None:
            raise NotFound("There is no such lead here.")
        return found[0]

    async def _window(self, lead_id: str, hours: int | None) -> tuple[datetime | None, datetime | None]:
        """When the lead was last reset, its totals zero or not, and the instant after which things are told."""
        reset = func.max(ScoreReset.reset_at)
        query = select(reset, func.now()).where(
            ScoreReset.unit_id == self.scope.unit_id, ScoreReset.lead_id == lead_id, ScoreReset.in_origins.is_(False)
        )
        reset_at, now = (await self.session.execute(query)).one()
        bounds = [reset_at, None if hours is None else now - timedelta(hours=hours)]
        return reset_at, max((bound for bound in bounds if bound is not None), default=None)

    def _told(self, lead_id: str, ruleset: RulesetNow | None, since: datetime | None) -> ColumnElement[bool]:
        """The current entries that moved the total after an instant."""
        return and_(
            ScoreEntry.unit_id == self.scope.unit_id,
            ScoreEntry.lead_id == lead_id,
            ScoreEntry.ruleset_id == (ruleset and ruleset.ruleset_id),
            ScoreEntry.superseded_at.is_(None),
            *([] if since is None else [ScoreEntry.occurred_at > since]),
        )

    async def _movement(self, told: ColumnElement[bool]) -> Movement:
        base, points, applied = ScoreEntry.base, ScoreEntry.points, ScoreEntry.applied
        surged = func.count().filter(ScoreEntry.multiplier != UNSURGED)
        query = select(
            _sum(base, "event"),
            _sum(points - base, "event"),
            _sum(applied, "decay"),
            _sum(applied, "adjustment"),
            _sum(applied - points, "event") + _sum(applied, "lift"),
            func.coalesce(func.sum(applied), 0),
            surged,
        ).where(told)
        return Movement(*map(int, (await self.session.execute(query)).one()))

    async def _drivers(self, told: ColumnElement[bool]) -> list[Driver]:
        """The strongest first; a rule whose weight was changed is told once for each weight."""
        award = func.jsonb_array_elements(ScoreEntry.awards, type_=JSONB).column_valued("award", joins_implicitly=True)
        rule_id, weight = award[0].astext, award[1].as_integer()
        # Not the entry's version: an entry stays as it is where a rescore comes to the same points.
        judged_by = func.max(func.greatest(Event.config_version, Lead.stamped_version))
        query = (
            select(judged_by, rule_id, Event.event_type, weight, func.count())
            .select_from(ScoreEntry)
            .join(Event, EVENT)
            .join(Lead, and_(Lead.unit_id == Event.unit_id, Lead.lead_id == Event.lead_id))
            .where(told)
            .group_by(rule_id, Event.event_type, weight)
        )
        rows = (await self.session.execute(query)).all()
        labels = await self._labels({row[0] for row in rows}, {row[1] for row in rows})
        drivers = [Driver(*row[1:], labels.get((row[0], row[1]))) for row in rows]
        return sorted(drivers, key=lambda driver: (-abs(driver.total), driver.event_type, driver.rule_id))

    async def _labels(
        self, versions: Collection[int | None], rule_ids: Collection[str]
    ) -> dict[tuple[int | None, str], str | None]:
        """What rules demanded in versions of the configuration: a rule that paid may be changed or deleted since."""
        rules = func.jsonb_array_elements(ConfigVersion.snapshot["rules"], type_=JSONB)
        rule = rules.column_valued("rule", joins_implicitly=True)
        rule_id = rule["rule_id"].astext
        query = select(ConfigVersion.version, rule_id, rule["attribute_filters"]).where(
            ConfigVersion.unit_id == self.scope.unit_id,
            ConfigVersion.version.in_(versions),
            rule_id == among(rule_ids),
        )
        return {(version, rule_id): label(filters) for version, rule_id, filters in await self.session.execute(query)}

    async def _boosts(self, told: ColumnElement[bool]) -> list[SurgeBoost]:
        boost = func.sum(ScoreEntry.points - ScoreEntry.base)
        query = (
            select(Event.event_type, func.count(), boost)
            .select_from(ScoreEntry)
            .join(Event, EVENT)
            .where(told, ScoreEntry.multiplier != UNSURGED)
            .group_by(Event.event_type)
            .order_by(boost.desc(), Event.event_type)
        )
        rows = await self.session.execute(query)
        return [SurgeBoost(event_type, count, int(boost)) for event_type, count, boost in rows]

    async def _rules_now(self, ruleset: RulesetNow | None) -> list[RuleNow]:
        """What pays today, the heaviest first; nothing in a ruleset that isn't active."""
        if ruleset is None or not ruleset.active:
            return []
        query = select(Rule.rule_id, Rule.event_type, Rule.weight, Rule.attribute_filters).where(
            Rule.unit_id == self.scope.unit_id,
            Rule.ruleset_id == ruleset.ruleset_id,
            Rule.active,
            or_(Rule.start_at.is_(None), Rule.start_at <= func.now()),
            or_(Rule.end_at.is_(None), Rule.end_at > func.now()),
        )
        heaviest = query.order_by(func.abs(Rule.weight).desc(), Rule.event_type, Rule.rule_id)
        return [RuleNow(*row[:3], label(row[3])) for row in await self.session.execute(heaviest)]

    async def _excluded(self, lead_id: str, reset_at: datetime | None) -> int:
        """Events that a reset took in: the lead's last one, or one of the lead that they came from by a merge."""
        origin = and_(
            LeadOrigin.unit_id == Event.unit_id,
            LeadOrigin.lead_id == Event.lead_id,
            LeadOrigin.original_lead_id == func.coalesce(Event.original_lead_id, Event.lead_id),
        )
        reset_before_merge = [Event.occurred_at <= LeadOrigin.taken_in_until]
        if reset_at is not None:
            reset_before_merge.append(Event.occurred_at <= reset_at)
        query = self._count(lead_id).outerjoin(LeadOrigin, origin).where(Event.suppression_reason.is_(None))
        return (await self.session.scalars(query.where(or_(*reset_before_merge)))).one()

    async def _suppressed(self, lead_id: str, since: datetime | None) -> int:
        query = self._count(lead_id).where(Event.suppression_reason.is_not(None))
        if since is not None:
            query = query.where(Event.occurred_at > since)
        return (await self.session.scalars(query)).one()

    def _count(self, lead_id: str) -> Select[int]:
        return (
            select(func.count()).select_from(Event).where(Event.unit_id == self.scope.unit_id, Event.lead_id == lead_id)
        )


def _sum(amount: SQLColumnExpression[int], kind: str) -> ColumnElement[int]:
    return func.coalesce(func.sum(amount).filter(ScoreEntry.kind == kind), 0)


def label(filters: Iterable[Mapping[str, Any]] | None) -> str | None:
    """A rule's attribute filters as people read them: `path contains /pricing and plan equals pro or team`."""
    return " and ".join(_condition(each) for each in filters or ()) or None


def _condition(each: Mapping[str, Any]) -> str:
    value = each.get("value")
    values = value if isinstance(value, list) else [] if value is None else [value]
    operator = str(each["operator"]).replace("_", " ")
    return f"{each['field']} {operator} {' or '.join(map(str, values))}".rstrip()
