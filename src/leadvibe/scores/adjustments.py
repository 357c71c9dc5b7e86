"""Adds points to a lead's total, or removes some, on a user's request."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.http.problems import Conflict, NotFound
from leadvibe.core.ids import new_uuid
from leadvibe.core.instants import micros
from leadvibe.core.scope import Scope
from leadvibe.engine import Adjustment
from leadvibe.pipeline.apply import apply_facts, lock_leads, publish_scores
from leadvibe.rulesets.models import Ruleset
from leadvibe.scores.models import ScoreAdjustment


class NoPrimaryRuleset(Conflict):
    detail = "This OU has no primary ruleset. Name a ruleset in ruleset_id."


@dataclass(frozen=True, slots=True)
class AdjustmentResult:
    lead_id: str
    ruleset_id: str
    points_added: int
    """The points that changed the total: fewer than requested if the floor limited them."""
    score: int


class AdjustmentService:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def adjust(self, lead_id: str, points: int, reason: str | None, ruleset_id: str | None) -> AdjustmentResult:
        """Add an adjustment to the lead's history; without a `ruleset_id`, in the primary ruleset."""
        ruleset_id = await self._existing(ruleset_id) if ruleset_id is not None else await self._primary()
        (state,) = await lock_leads(self.session, self.scope.unit_id, [lead_id])
        now = await database_now(self.session)
        fact = Adjustment(new_uuid(), micros(now), ruleset_id, points)
        projection = await apply_facts(self.session, state, [fact], now)
        self.session.add(
            ScoreAdjustment(
                unit_id=self.scope.unit_id,
                lead_id=lead_id,
                adjustment_id=fact.id,
                ruleset_id=ruleset_id,
                points=points,
                reason=reason,
                adjusted_at=now,
                adjusted_by=self.scope.actor.id,
            )
        )
        await self.session.flush()
        await publish_scores(self.session, [(state, projection)])
        outcome = projection.outcome
        applied = sum(entry.applied for entry in outcome.entries if entry.cause == fact.id)
        return AdjustmentResult(lead_id, ruleset_id, applied, outcome.standing.totals.get(ruleset_id, 0))

    async def _primary(self) -> str:
        query = select(Ruleset.ruleset_id).where(Ruleset.unit_id == self.scope.unit_id, Ruleset.is_primary)
        ruleset_id = await self.session.scalar(query)
        if ruleset_id is None:
            raise NoPrimaryRuleset
        return ruleset_id

    async def _existing(self, ruleset_id: str) -> str:
        query = select(Ruleset.ruleset_id).where(
            Ruleset.unit_id == self.scope.unit_id, Ruleset.ruleset_id == ruleset_id
        )
        if await self.session.scalar(query) is None:
            raise NotFound("There is no ruleset with this id in the active OU.")
        return ruleset_id
