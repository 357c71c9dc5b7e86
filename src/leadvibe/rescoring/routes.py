"""What an admin does to all scores of an OU."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ADMIN, ANSWERS, provide
from leadvibe.core.jobs.models import Job
from leadvibe.jobs.schemas import JobRead
from leadvibe.rescoring.schemas import RescoreCreate
from leadvibe.rescoring.tasks import Rescores

router = APIRouter(prefix="/admin", tags=["Admin"], responses=ANSWERS, dependencies=[ADMIN])


@router.post("/rescore", status_code=202, response_model=JobRead)
async def start_rescore(
    rescores: Annotated[Rescores, Depends(provide(Rescores))], body: RescoreCreate | None = None
) -> Job:
    """Judge the OU's events anew, by today's configuration: the answer is the job that does it.

    Resets and adjustments stay, nothing fires, and live scoring goes on meanwhile. Admins only.
    """
    return await rescores.start(body.lead_ids if body else None)
