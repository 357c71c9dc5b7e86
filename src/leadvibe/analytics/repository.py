"""Who leads and who gains, by the score that lists show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, and_, func, select, true

from leadvibe.core.ranges import Range
from leadvibe.leads.models import Lead
from leadvibe.leads.repository import RANK
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


class Standings(ScoreRepository):
    isolation: ClassVar = "REPEATABLE READ"

    async def top(self, limit: int) -> Sequence[TopLead]:
        """The highest scores, of equals who was active last; nobody without points."""
        query = (
            select(Lead.lead_id, Lead.score, Lead.last_event_at)
            .where(Lead.unit_id == self.scope.unit_id, Lead.merged_into.is_(None), Lead.score > 0)
            .order_by(*(column.desc() for column in RANK))
        )
        return [TopLead(*row) for row in await self.session.execute(query.limit(limit))]

    async def gains(self, range_: Range, limit: int) -> Sequence[ScoreGain]:
        """Whose score grew the most since a range of time began."""
        primary = (await self.rulesets()).primary
        if primary is None:
            return []
        moved = self._moved(primary.ruleset_id, range_.window(datetime.now(UTC)).since).subquery()
        of_moved = and_(LeadScore.lead_id == moved.c.lead_id, LeadScore.ruleset_id == primary.ruleset_id)
        query = (
            select(Lead.lead_id, LeadScore.score, Lead.last_event_at, moved.c.points)
            .join(moved, moved.c.lead_id == Lead.lead_id)
            .join(LeadScore, and_(LeadScore.unit_id == Lead.unit_id, of_moved))
            .where(Lead.unit_id == self.scope.unit_id)
            .order_by(moved.c.points.desc(), LeadScore.score.desc(), Lead.lead_id)
        )
        rows = await self.session.execute(query.limit(limit))
        return [ScoreGain(lead_id, score, last, int(gain)) for lead_id, score, last, gain in rows]

    def _moved(self, ruleset_id: str, since: datetime | None) -> Select[str, int]:
        """Whose total grew, and by how much; whose ledger wasn't written since then, wasn't moved since then."""
        points = func.sum(ScoreEntry.applied).label("points")
        return (
            select(ScoreEntry.lead_id, points)
            .join(Lead, and_(Lead.unit_id == ScoreEntry.unit_id, Lead.lead_id == ScoreEntry.lead_id))
            .where(ScoreEntry.unit_id == self.scope.unit_id, Lead.merged_into.is_(None), _from(Lead.ledger_at, since))
            .where(ScoreEntry.superseded_at.is_(None), _from(ScoreEntry.occurred_at, since))
            .where(ScoreEntry.ruleset_id == ruleset_id)
            .group_by(ScoreEntry.lead_id)
            .having(points > 0)
        )


def _from(column: SQLColumnExpression[Any], since: datetime | None) -> ColumnElement[bool]:
    return true() if since is None else column >= since
