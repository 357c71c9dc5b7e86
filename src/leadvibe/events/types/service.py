"""Starts the deletion of all events of a type, and waits a moment for its end."""

from leadvibe.core.db import transaction
from leadvibe.core.job_models import Job
from leadvibe.core.job_progress import start_job
from leadvibe.core.job_waiting import after_a_while
from leadvibe.core.problems import Conflict
from leadvibe.core.scope import Scope
from leadvibe.events.types.repository import EventTypeSettings
from leadvibe.events.types.tasks import DeleteEventsOfType
from leadvibe.scoring.acting import clock


class ProtectedType(Conflict):
    detail = "A system type's events, and those of a type that an active rule or a filter names, are not deleted."


class TypeDeletions:
    """Takes transactions of its own: the job is to be done while the request still waits."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def delete(self, event_type: str) -> Job:
        async with transaction(self.scope) as session:
            types = EventTypeSettings(session, self.scope)
            await types.named(event_type)
            if event_type in await types.protected():
                raise ProtectedType
            message = DeleteEventsOfType(event_type, await clock(session))
            job = await start_job(session, self.scope, message)
        return await after_a_while(self.scope, job.job_id)
