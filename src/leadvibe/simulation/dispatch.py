"""Runs a simulation at once, or as a background job if it is large."""

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.config import settings
from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.http.problems import Conflict
from leadvibe.core.jobs.models import Job
from leadvibe.core.jobs.progress import ENDED, start_job
from leadvibe.core.scope import Scope
from leadvibe.counts.repository import CountRepository
from leadvibe.simulation.comparison import Comparison
from leadvibe.simulation.models import JOB_KIND
from leadvibe.simulation.schemas import SimulationCreate
from leadvibe.simulation.service import begin_simulation
from leadvibe.simulation.tasks import SimulateDraft

COUNT_FOLDED: Final = """
SELECT count(*) FROM (
    SELECT FROM leads JOIN events ON events.unit_id = leads.unit_id AND events.lead_id = leads.lead_id
    WHERE leads.unit_id = $1 AND leads.merged_into IS NULL AND leads.last_event_at >= $2
    LIMIT $3
) AS folded
"""
"""The events of the leads that have one since an instant, up to a limit."""


class SimulationRunning(Conflict):
    detail = "A simulation of this OU is already running."


class Simulations:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def run(self, body: SimulationCreate) -> Comparison | Job:
        """The result, or the job that computes it. Raises SimulationRunning if the OU has an unfinished job already."""
        async with transaction(self.scope) as session:
            simulation = await begin_simulation(session, self.scope, body)
            if await self._is_large(session, simulation.since, drafts_decays=simulation.draft.drafts_decays):
                return await self._start(session, body)
        return await simulation.run()

    async def _is_large(self, session: AsyncSession, since: datetime, *, drafts_decays: bool) -> bool:
        """Whether there are more leads, or more events to fold, than a request may take on."""
        limit, counts = settings().simulation_events, CountRepository(session, self.scope)
        if await counts.leads() > limit:
            return True
        if await counts.events() <= limit:
            return False
        # With drafted decays, all events are folded. Otherwise it takes at most `limit` leads to count them.
        return drafts_decays or await self._count_folded(session, since, limit + 1) > limit

    async def _count_folded(self, session: AsyncSession, since: datetime, at_most: int) -> int:
        return await (await raw(session)).fetchval(COUNT_FOLDED, self.scope.unit_id, since, at_most)

    async def _start(self, session: AsyncSession, body: SimulationCreate) -> Job:
        message = SimulateDraft(body.model_dump(mode="json", exclude_unset=True))
        try:
            async with session.begin_nested():
                return await start_job(session, self.scope, message)
        except IntegrityError:  # the index ONE_AT_A_TIME
            running = await session.scalar(
                select(Job.job_id).where(
                    Job.unit_id == self.scope.unit_id, Job.kind == JOB_KIND, Job.status.not_in(ENDED)
                )
            )
            raise SimulationRunning(
                f"The simulation {running} of this OU has not ended. Wait until it has, or cancel it with "
                f"DELETE /jobs/{running}."
            ) from None
