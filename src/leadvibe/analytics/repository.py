"""The leads with the highest scores and the highest score gains, in the primary ruleset."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, func, select, true

from leadvibe.core.ranges import Range
from leadvibe.leads.models import Lead
from leadvibe.leads.scored import RANKING
from leadvibe.scores.models import LeadScore, ScoreEntry
from leadvibe.scores.repository import ScoreRepository


@dataclass(frozen=True, slots=True)
class TopLead:
    lead_id: str
    score: int
    last_event_at: datetime | None


@dataclass(frozen=True, slots=True)
class ScoreGain(TopLead):
    score_gain: int


class LeaderboardRepository(ScoreRepository):
    isolation: ClassVar = "REPEATABLE READ"  # its queries must agree with each other

    async def top(self, limit: int) -> Sequence[TopLead]:
        """The leads with the highest scores; of equal scores, the last active first."""
        query = (
            select(Lead.lead_id, Lead.score, Lead.last_event_at)
            .where(Lead.unit_id == self.scope.unit_id, Lead.merged_into.is_(None))
            .order_by(*(column.desc() for column in RANKING))
        )
        rows = await self.session.execute(query.limit(limit))
        return [TopLead(row.lead_id, row.score, row.last_event_at) for row in rows]

    async def gains(self, range_: Range, limit: int) -> Sequence[ScoreGain]:
        """The leads whose scores rose most since the start of a range of time."""
        primary = (await self.rulesets()).primary
        if primary is None:
            return []
        gains = self._gains(primary.ruleset_id, range_.window(datetime.now(UTC)).since).subquery()
        of_lead = and_(LeadScore.lead_id == gains.c.lead_id, LeadScore.ruleset_id == primary.ruleset_id)
        query = (
            select(Lead.lead_id, LeadScore.score, Lead.last_event_at, gains.c.points)
            .join(gains, gains.c.lead_id == Lead.lead_id)
            .join(LeadScore, and_(LeadScore.unit_id == Lead.unit_id, of_lead))
            .where(Lead.unit_id == self.scope.unit_id)
            .order_by(gains.c.points.desc(), LeadScore.score.desc(), Lead.lead_id)
        )
        rows = await self.session.execute(query.limit(limit))
        return [ScoreGain(row.lead_id, row.score, row.last_event_at, int(row.points)) for row in rows]

    def _gains(self, ruleset_id: str, since: datetime | None) -> Select[str, int]:
        """The leads whose totals rose, and by how many points.

        A lead whose ledger was not written since then is skipped early: it has no changes since then.
        """
        points = func.sum(ScoreEntry.applied).label("points")
        return (
            select(ScoreEntry.lead_id, points)
            .join(Lead, and_(Lead.unit_id == ScoreEntry.unit_id, Lead.lead_id == ScoreEntry.lead_id))
            .where(ScoreEntry.unit_id == self.scope.unit_id, Lead.merged_into.is_(None), _since(Lead.ledger_at, since))
            .where(ScoreEntry.superseded_at.is_(None), _since(ScoreEntry.occurred_at, since))
            .where(ScoreEntry.ruleset_id == ruleset_id)
            .group_by(ScoreEntry.lead_id)
            .having(points > 0)
        )


def _since(column: SQLColumnExpression[Any], since: datetime | None) -> ColumnElement[bool]:
    return true() if since is None else column >= since
