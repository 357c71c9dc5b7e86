"""A lead and all that belongs to it is deleted, under `/lead` and `/leads`."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ANSWERS, OWNER_OR_PROGRAM, provide
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.core.http.schemas import LeadId
from leadvibe.leads.deletion.schemas import DeletionRead, DeletionStarted
from leadvibe.leads.deletion.service import Deletion, Deletions, Started

lead_router = APIRouter()
router = APIRouter(tags=["Leads"], responses=ANSWERS)

LeadDeletions = Annotated[Deletions, Depends(provide(Deletions))]


@lead_router.delete("", response_model=DeletionStarted, dependencies=[OWNER_OR_PROGRAM], responses=problems(Conflict))
async def delete_lead(lead_id: LeadId, deletions: LeadDeletions) -> Started:
    """Delete a lead with its events, aliases and scores, and the leads that were merged into it. It can't be undone.

    The lead is gone when this answers; what waits or failed in its name is erased a moment later. Events that were
    received before never bring it back; one that is received from now on begins a new lead. Owners and programs only.
    """
    return await deletions.start(lead_id)


@lead_router.get("/deletion-status", response_model=DeletionRead)
async def get_deletion_status(lead_id: LeadId, deletions: LeadDeletions) -> Deletion:
    """How far a lead's deletion is."""
    return await deletions.of(lead_id)


for noun in ("lead", "leads"):
    router.include_router(lead_router, prefix=f"/{noun}/{{lead_id}}")
