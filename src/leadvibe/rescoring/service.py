"""Starts the rescore of an OU."""

from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.jobs.models import Job
from leadvibe.core.jobs.progress import start_job
from leadvibe.core.scope import Scope
from leadvibe.rescoring.tasks import RescoreLeads


class Rescores:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def start(self, lead_ids: list[str] | None) -> Job:
        """Queue a job that rescores these leads, or all leads of the OU."""
        return await start_job(self.session, self.scope, RescoreLeads(lead_ids))
