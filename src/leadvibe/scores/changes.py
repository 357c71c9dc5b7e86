"""What a person does to a lead's score: resets it, or gives and takes points by hand."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.http.problems import Conflict, NotFound
from leadvibe.core.ids import new_uuid
from leadvibe.core.instants import micros
from leadvibe.core.scope import Scope
from leadvibe.engine import Adjustment, Reset
from leadvibe.leads.models import Lead, TimelineEntry
from leadvibe.pipeline.apply import apply_facts, lock_leads, publish_scores
from leadvibe.pipeline.project import Projection
from leadvibe.rulesets.models import Ruleset
from leadvibe.scores.models import ScoreAdjustment, ScoreReset


class NoPrimaryRuleset(Conflict):
    detail = "This OU has no primary ruleset: name one in ruleset_id."


@dataclass(frozen=True, slots=True)
class ResetDone:
    lead_id: str
    previous_scores: dict[str, int]
    """Every ruleset's total before; zeros too."""
    status: str = "ok"


@dataclass(frozen=True, slots=True)
class AdjustmentDone:
    lead_id: str
    ruleset_id: str
    points_added: int
    """What the floor left of the points."""
    score: int


class ScoreChanges:
    """Acts on one lead's score, each a fact of its history."""

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def reset(self, lead_id: str) -> ResetDone:
        (state,) = await lock_leads(self.session, self.scope.unit_id, [lead_id])
        now = await database_now(self.session)
        fact = Reset(new_uuid(), micros(now))
        projection = await apply_facts(self.session, state, [fact], now)
        self.session.add(
            ScoreReset(
                unit_id=self.scope.unit_id,
                lead_id=lead_id,
                reset_id=fact.id,
                reset_at=now,
                reset_by=self.scope.actor.id,
            )
        )
        zeroed = {e.ruleset_id: e.before for e in projection.outcome.entries if e.cause == fact.id}
        if zeroed:
            await self._note_reset(lead_id, fact, now, zeroed)
        done = ResetDone(lead_id, dict.fromkeys(await self._rulesets(), 0) | zeroed)
        await self.session.flush()
        await publish_scores(self.session, [(state, projection)])
        return done

    async def _note_reset(self, lead_id: str, fact: Reset, at: datetime, zeroed: dict[str, int]) -> None:
        await self.session.execute(
            update(Lead).where(Lead.unit_id == self.scope.unit_id, Lead.lead_id == lead_id).values(score_reset_at=at)
        )
        self.session.add(
            TimelineEntry(
                unit_id=self.scope.unit_id,
                lead_id=lead_id,
                kind="score_reset",
                subject=fact.id.hex,
                occurred_at=at,
                data={"previous_scores": zeroed, "reset_by": self.scope.actor.id},
            )
        )

    async def adjust(self, lead_id: str, points: int, reason: str | None, ruleset_id: str | None) -> AdjustmentDone:
        ruleset_id = await self._ruleset(ruleset_id)
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
        return AdjustmentDone(
            lead_id, ruleset_id, _applied(projection, fact), projection.outcome.standing.totals.get(ruleset_id, 0)
        )

    async def _rulesets(self) -> list[str]:
        query = select(Ruleset.ruleset_id).where(Ruleset.unit_id == self.scope.unit_id)
        return list(await self.session.scalars(query.order_by(Ruleset.ruleset_id)))

    async def _ruleset(self, asked: str | None) -> str:
        query = select(Ruleset.ruleset_id).where(Ruleset.unit_id == self.scope.unit_id)
        if asked is None:
            found = await self.session.scalar(query.where(Ruleset.is_primary))
            if found is None:
                raise NoPrimaryRuleset
            return found
        if await self.session.scalar(query.where(Ruleset.ruleset_id == asked)) is None:
            raise NotFound("There is no such ruleset here.")
        return asked


def _applied(projection: Projection, fact: Adjustment) -> int:
    return sum(entry.applied for entry in projection.outcome.entries if entry.cause == fact.id)
