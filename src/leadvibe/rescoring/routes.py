"""The route that starts a rescore."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ADMIN, ANSWERS, provide
from leadvibe.core.jobs.models import Job
from leadvibe.jobs.schemas import JobRead
from leadvibe.rescoring.schemas import RescoreCreate
from leadvibe.rescoring.service import Rescores

router = APIRouter(prefix="/admin", tags=["Admin"], responses=ANSWERS, dependencies=[ADMIN])


@router.post("/rescore", status_code=202, response_model=JobRead)
async def start_rescore(
    rescores: Annotated[Rescores, Depends(provide(Rescores))], body: RescoreCreate | None = None
) -> Job:
    """Rescore the OU's events with the current configuration, in a background job.

    Resets and adjustments are kept, and no notifications are sent. New events are scored while the job runs. Only
    admins may start a rescore.
    """
    return await rescores.start(body.lead_ids if body else None)
