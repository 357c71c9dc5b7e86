"""An OU's background jobs."""

from leadvibe.core.database.repository import Repository
from leadvibe.core.http.problems import Conflict, Forbidden
from leadvibe.core.jobs.models import Job
from leadvibe.core.jobs.progress import CANCELLED, ENDED, cancelling_of
from leadvibe.core.scope import Role


class JobRepository(Repository[Job]):
    model = Job

    async def cancel(self, job_id: str) -> Job:
        """End a job that hasn't ended. A worker that runs it notices within seconds."""
        job = await self.get(job_id)
        cancelling = cancelling_of(job.kind)
        if not isinstance(cancelling, Role):
            raise Conflict(cancelling)
        if not self.scope.role.covers(cancelling):
            raise Forbidden(
                f"Cancelling this job requires the role {cancelling} in the OU. Your role is {self.scope.role}."
            )
        await self.session.refresh(job, with_for_update={"key_share": True})
        if job.status in ENDED:
            raise Conflict(f"The job has already ended. Its status is {job.status}.")
        return await self.update(job, {"status": "failed", "error": CANCELLED, "parameters": {}, "cursor": None})
