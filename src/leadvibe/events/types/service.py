"""Starts the deletion of all events of a type, and waits some seconds for its end."""

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import Conflict
from leadvibe.core.jobs.models import Job
from leadvibe.core.jobs.progress import start_job
from leadvibe.core.jobs.waiting import wait_for_job
from leadvibe.core.scope import Scope
from leadvibe.events.types.repository import EventTypeSettings
from leadvibe.events.types.tasks import DeleteEventsOfType


class ProtectedType(Conflict):
    detail = "The events of this type can't be deleted: an active rule or a filter uses it, or it is a system type."


class TypeDeletions:
    """Uses transactions of its own, so that the job can run while the request waits."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def delete(self, event_type: str) -> Job:
        async with transaction(self.scope) as session:
            types = EventTypeSettings(session, self.scope)
            await types.require(event_type)
            if event_type in await types.protected():
                raise ProtectedType
            message = DeleteEventsOfType(event_type, await database_now(session))
            job = await start_job(session, self.scope, message)
        return await wait_for_job(self.scope, job.job_id)
