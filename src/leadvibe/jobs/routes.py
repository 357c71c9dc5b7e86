"""How far background jobs are."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.http import ANSWERS, provide
from leadvibe.core.job_models import Job
from leadvibe.core.schemas import PlainText
from leadvibe.jobs.repository import JobRepository
from leadvibe.jobs.schemas import JobRead

router = APIRouter(tags=["Jobs"], responses=ANSWERS)

Jobs = Annotated[JobRepository, Depends(provide(JobRepository))]


@router.get("/jobs/{job_id}", response_model=JobRead)
async def get_job(job_id: PlainText, jobs: Jobs) -> Job:
    """How far a background job is, and what came of it."""
    return await jobs.get(job_id)
