"""The caller's own watch list in the active OU."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from leadvibe.access.dependencies import ANSWERS, member_scope, provide
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.identity.identifiers import LeadId
from leadvibe.leads.watching.repository import AddedToWatchList, ConsistentWatchList, WatchedLeadPage, WatchList
from leadvibe.leads.watching.schemas import WatchCreate, WatchCreated, WatchedLeads

lead_router = APIRouter()
router = APIRouter(tags=["Leads"], responses=ANSWERS)

OwnWatchList = Annotated[WatchList, Depends(provide(WatchList, scope=member_scope))]
ConsistentOwnWatchList = Annotated[ConsistentWatchList, Depends(provide(ConsistentWatchList, scope=member_scope))]


@lead_router.post("/watch", status_code=201, response_model=WatchCreated, responses=problems(Conflict))
async def watch_lead(lead_id: LeadId, watch_list: OwnWatchList, body: WatchCreate | None = None) -> AddedToWatchList:
    """Add a lead to your watch list, optionally with a prediction."""
    return await watch_list.add(lead_id, (body or WatchCreate()).values())


@lead_router.delete("/watch", status_code=204, responses=problems(Conflict))
async def unwatch_lead(lead_id: LeadId, watch_list: OwnWatchList) -> None:
    """Remove a lead from your watch list."""
    await watch_list.remove(lead_id)


@router.get("/watched-leads", response_model=WatchedLeads)
async def list_watched_leads(
    request: Request, response: Response, watch_list: ConsistentOwnWatchList, page: Paging
) -> WatchedLeadPage:
    """List the leads on your watch list, most recently added first, with their scores and score changes."""
    found = await watch_list.list(page)
    describe_page(request, response, page, found.total)
    return found


for noun in ("lead", "leads"):
    router.include_router(lead_router, prefix=f"/{noun}/{{lead_id}}")
