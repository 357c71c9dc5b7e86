"""Resets a lead's totals to zero."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.ids import new_uuid
from leadvibe.core.instants import micros
from leadvibe.core.scope import Scope
from leadvibe.engine import Reset
from leadvibe.leads.models import Lead, TimelineEntry
from leadvibe.pipeline.apply import apply_facts, lock_leads, publish_scores
from leadvibe.rulesets.models import Ruleset
from leadvibe.scores.models import ScoreReset


@dataclass(frozen=True, slots=True)
class ResetResult:
    lead_id: str
    previous_scores: dict[str, int]
    """The total in every ruleset before the reset, zeros included."""
    status: str = "ok"


class ResetService:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def reset(self, lead_id: str) -> ResetResult:
        """Add a reset to the lead's history. It is recorded even if all totals are zero already."""
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
        nonzero = {entry.ruleset_id: entry.before for entry in projection.outcome.entries if entry.cause == fact.id}
        if nonzero:
            await self._show_reset(lead_id, fact, now, nonzero)
        result = ResetResult(lead_id, dict.fromkeys(await self._ruleset_ids(), 0) | nonzero)
        await self.session.flush()
        await publish_scores(self.session, [(state, projection)])
        return result

    async def _show_reset(self, lead_id: str, fact: Reset, at: datetime, previous: dict[str, int]) -> None:
        """Note the reset on the lead and in its timeline. Resets that changed nothing are not shown there."""
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
                data={"previous_scores": previous, "reset_by": self.scope.actor.id},
            )
        )

    async def _ruleset_ids(self) -> list[str]:
        query = select(Ruleset.ruleset_id).where(Ruleset.unit_id == self.scope.unit_id)
        return list(await self.session.scalars(query.order_by(Ruleset.ruleset_id)))
