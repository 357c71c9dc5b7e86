"""The status of background jobs, and their end on request."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ANSWERS, provide
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.core.http.schemas import PlainText
from leadvibe.core.jobs.models import Job
from leadvibe.jobs.repository import JobRepository
from leadvibe.jobs.schemas import JobRead

router = APIRouter(tags=["Jobs"], responses=ANSWERS)

Jobs = Annotated[JobRepository, Depends(provide(JobRepository))]


@router.get("/jobs/{job_id}", response_model=JobRead)
async def get_job(job_id: PlainText, jobs: Jobs) -> Job:
    """Get a background job with its status, progress and result."""
    return await jobs.get(job_id)


@router.delete("/jobs/{job_id}", status_code=202, response_model=JobRead, responses=problems(Conflict))
async def cancel_job(job_id: PlainText, jobs: Jobs) -> Job:
    """Cancel a background job that is queued or running. It stops within seconds. The response is the job.

    Simulations can be cancelled by everyone who can start one, and imports of leads by Operators: the rows that were
    imported stay. The job's status becomes `failed`. A job that has ended, or that must not stop halfway, is a 409.
    """
    return await jobs.cancel(job_id)
