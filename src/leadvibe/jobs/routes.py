"""The status of background jobs."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ANSWERS, provide
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
