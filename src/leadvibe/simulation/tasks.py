"""The job of a simulation over many events."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.queries import among
from leadvibe.core.database.transactions import transaction
from leadvibe.core.jobs.progress import Progress, tracked_job
from leadvibe.core.scope import Role, Scope
from leadvibe.counts.repository import CountRepository
from leadvibe.leads.models import Lead
from leadvibe.simulation.comparison import Comparison
from leadvibe.simulation.models import JOB_KIND
from leadvibe.simulation.schemas import SimulationCreate, SimulationRead
from leadvibe.simulation.service import begin_simulation


@dataclass(frozen=True, slots=True)
class SimulateDraft:
    """Simulate this draft (the body of the request) on the OU's history."""

    draft: dict[str, Any]


@tracked_job(SimulateDraft, kind=JOB_KIND, cancelling=Role.VIEWER)
async def simulate_draft(message: SimulateDraft, progress: Progress) -> None:
    """Nothing of an interrupted run is kept, because it would name leads that may be deleted meanwhile."""
    scope = progress.scope
    async with transaction(scope) as session:
        simulation = await begin_simulation(session, scope, SimulationCreate.model_validate(message.draft))
        total = await CountRepository(session, scope).leads()

    async def report(comparison: Comparison) -> None:
        async with transaction(scope) as session:
            await progress.report(session, done=comparison.leads, total=max(comparison.leads, total))

    comparison = await simulation.run(report)
    async with transaction(scope) as session:
        # A deletion either comes first, or waits for this transaction and then finds its result.
        existing = await _lock_existing(session, scope, [mover.lead_id for mover in comparison.movers])
        result = SimulationRead.model_validate(comparison)
        result.movers = [mover for mover in result.movers if mover.lead_id in existing]
        await progress.complete(session, result.model_dump(mode="json"), done=comparison.leads)


async def _lock_existing(session: AsyncSession, scope: Scope, lead_ids: list[str]) -> set[str]:
    """Those of the leads that still exist. They can't be deleted until the transaction ends."""
    query = select(Lead.lead_id).where(Lead.unit_id == scope.unit_id, Lead.lead_id == among(lead_ids))
    return set(await session.scalars(query.order_by(Lead.lead_id).with_for_update(read=True, key_share=True)))
