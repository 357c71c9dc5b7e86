"""Your own watch list in the active OU; a lead is put on it under `/lead` and `/leads`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from leadvibe.access.dependencies import ANSWERS, member_scope, provide
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.core.http.schemas import LeadId
from leadvibe.leads.watching.repository import ConsistentWatchList, Started, WatchedPage, WatchList
from leadvibe.leads.watching.schemas import WatchCreate, WatchCreated, WatchedLeads

lead_router = APIRouter()
router = APIRouter(tags=["Leads"], responses=ANSWERS)

Watching = Annotated[WatchList, Depends(provide(WatchList, scope=member_scope))]
ConsistentWatching = Annotated[ConsistentWatchList, Depends(provide(ConsistentWatchList, scope=member_scope))]


@lead_router.post("/watch", status_code=201, response_model=WatchCreated, responses=problems(Conflict))
async def watch_lead(lead_id: LeadId, watching: Watching, body: WatchCreate | None = None) -> Started:
    """Put a lead on your watch list, with what you expect of it if you like."""
    return await watching.add(lead_id, (body or WatchCreate()).values())


@lead_router.delete("/watch", status_code=204)
async def unwatch_lead(lead_id: LeadId, watching: Watching) -> None:
    """Take a lead off your watch list."""
    await watching.remove(lead_id)


@router.get("/watched-leads", response_model=WatchedLeads)
async def list_watched_leads(
    request: Request, response: Response, watching: ConsistentWatching, page: Paging
) -> WatchedPage:
    """The leads you watch, the last added first, with their scores and how those changed since."""
    found = await watching.list(page)
    describe_page(request, response, page, found.total)
    return found


for noun in ("lead", "leads"):
    router.include_router(lead_router, prefix=f"/{noun}/{{lead_id}}")
