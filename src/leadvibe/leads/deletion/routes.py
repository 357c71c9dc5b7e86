"""Deleting a lead with all its data."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ANSWERS, OWNER_OR_PROGRAM, provide
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.identity.identifiers import LeadId
from leadvibe.leads.deletion.schemas import DeletionRead, DeletionStarted
from leadvibe.leads.deletion.service import DeletionService, DeletionStatus, StartedDeletion

lead_router = APIRouter()
router = APIRouter(tags=["Leads"], responses=ANSWERS)

Deletions = Annotated[DeletionService, Depends(provide(DeletionService))]


@lead_router.delete("", response_model=DeletionStarted, dependencies=[OWNER_OR_PROGRAM], responses=problems(Conflict))
async def delete_lead(lead_id: LeadId, deletions: Deletions) -> StartedDeletion:
    """Delete a lead with its events, aliases and scores, and the leads merged into it. A deletion can't be undone.

    The lead is gone when the response arrives. A background job then removes it from unprocessed events, uploaded files
    and jobs. Events received before the deletion never bring the lead back; an event received later creates a new lead.
    Only Owners and API credentials can delete leads.
    """
    return await deletions.start(lead_id)


@lead_router.get("/deletion-status", response_model=DeletionRead)
async def get_deletion_status(lead_id: LeadId, deletions: Deletions) -> DeletionStatus:
    """Get the status of a lead's deletion. 404 if no lead with this id was deleted."""
    return await deletions.status(lead_id)


for noun in ("lead", "leads"):
    router.include_router(lead_router, prefix=f"/{noun}/{{lead_id}}")
