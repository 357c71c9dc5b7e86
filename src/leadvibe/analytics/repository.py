"""Who leads and who gains, by the score that lists show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, case, func, select, true

from leadvibe.core.ranges import Range
from leadvibe.leads.models import Lead
from leadvibe.scoring.models import LeadScore, ScoreEntry
from leadvibe.scoring.repository import ScoreRepository, among


@dataclass(frozen=True, slots=True)
class TopLead:
    lead_id: str
    score: int
    last_event_at: datetime | None


@dataclass(frozen=True, slots=True)
class ScoreGain(TopLead):
    score_gain: int


class Standings(ScoreRepository):
    """Several reads that must agree: take it with `isolation="REPEATABLE READ"`."""

    async def top(self, limit: int) -> Sequence[TopLead]:
        """The highest scores, of equals who was active last; nobody without points."""
        overall = self.overall(await self.rulesets())
        query = (
            select(Lead.lead_id, overall.c.score, Lead.last_event_at)
            .join(overall, overall.c.lead_id == Lead.lead_id)
            .where(Lead.unit_id == self.scope.unit_id, Lead.merged_into.is_(None), overall.c.score > 0)
            .order_by(overall.c.score.desc(), Lead.last_event_at.desc().nulls_last(), Lead.lead_id)
        )
        return [TopLead(*row) for row in await self.session.execute(query.limit(limit))]

    async def gains(self, range_: Range, limit: int) -> Sequence[ScoreGain]:
        """Whose score grew the most since a range of time began."""
        since = range_.window(datetime.now(UTC)).since
        rulesets = await self.rulesets()
        counted = [rulesets.primary] if rulesets.primary else rulesets.active
        ruleset_ids = [ruleset.ruleset_id for ruleset in counted]
        moved = self._moved(ruleset_ids, since).subquery()
        of_moved = and_(moved.c.lead_id == LeadScore.lead_id, moved.c.ruleset_id == LeadScore.ruleset_id)
        # Where a ruleset has no total for the lead, that is a 0, and beats what is negative.
        missing_as_zero = case((func.count() < len(ruleset_ids), 0))
        before = LeadScore.score - func.coalesce(moved.c.points, 0)
        score = func.greatest(func.max(LeadScore.score), missing_as_zero)
        gain = score - func.greatest(func.max(before), missing_as_zero)
        query = (
            select(Lead.lead_id, score, Lead.last_event_at, gain)
            .join(LeadScore, and_(LeadScore.unit_id == Lead.unit_id, LeadScore.lead_id == Lead.lead_id))
            .outerjoin(moved, of_moved)
            .where(Lead.unit_id == self.scope.unit_id, Lead.merged_into.is_(None), _from(Lead.ledger_at, since))
            .where(LeadScore.ruleset_id == among(ruleset_ids))
            .group_by(Lead.unit_id, Lead.lead_id)
            .having(gain > 0)
            .order_by(gain.desc(), score.desc(), Lead.lead_id)
        )
        rows = await self.session.execute(query.limit(limit))
        return [ScoreGain(lead_id, score, last, int(gain)) for lead_id, score, last, gain in rows]

    def _moved(self, ruleset_ids: Sequence[str], since: datetime | None) -> Select[str, str, int]:
        """How far each total moved; whose ledger wasn't written since then, wasn't moved since then."""
        points = func.sum(ScoreEntry.applied).label("points")
        return (
            select(ScoreEntry.lead_id, ScoreEntry.ruleset_id, points)
            .join(Lead, and_(Lead.unit_id == ScoreEntry.unit_id, Lead.lead_id == ScoreEntry.lead_id))
            .where(ScoreEntry.unit_id == self.scope.unit_id, _from(Lead.ledger_at, since))
            .where(ScoreEntry.superseded_at.is_(None), _from(ScoreEntry.occurred_at, since))
            .where(ScoreEntry.ruleset_id == among(ruleset_ids))
            .group_by(ScoreEntry.lead_id, ScoreEntry.ruleset_id)
        )


def _from(column: SQLColumnExpression[Any], since: datetime | None) -> ColumnElement[bool]:
    return true() if since is None else column >= since
