"""Leads: the list with scores, one lead and what belongs to it. Each answers under `/lead` and `/leads`."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.core.http.problems import Conflict, TooLarge, problems
from leadvibe.core.http.schemas import LeadId, PlainText
from leadvibe.identity.models import Alias
from leadvibe.leads.metadata import AS_SENT, WHOLE_AS_SENT, Metadata
from leadvibe.leads.repository import ConsistentLeadRepository, LeadPage, LeadRepository, LeadRow, ScoredLead
from leadvibe.leads.schemas import (
    AliasRead,
    LeadChange,
    LeadCreate,
    LeadDetailRead,
    LeadFilter,
    LeadList,
    LeadMatchRead,
    LeadRead,
    MetadataRead,
)
from leadvibe.leads.search import LeadMatch, LeadSearch

leads_router = APIRouter()
new_lead_router = APIRouter()
lead_router = APIRouter()
"""What is asked of one lead."""

WRITTEN = problems(Conflict, TooLarge)

Leads = Annotated[LeadRepository, Depends(provide(LeadRepository))]
ConsistentLeads = Annotated[ConsistentLeadRepository, Depends(provide(ConsistentLeadRepository))]
Search = Annotated[LeadSearch, Depends(provide(LeadSearch))]


@leads_router.get("/leads", response_model=LeadList)
async def list_leads(
    request: Request, response: Response, leads: ConsistentLeads, where: Annotated[LeadFilter, Query()], page: Paging
) -> LeadPage:
    """The OU's leads with their scores, the highest first."""
    found = await leads.list(where, page)
    describe_page(request, response, page, found.total, after=found.end)
    return found


@leads_router.get("/leads/search", response_model=list[LeadMatchRead])
async def search_leads(q: Annotated[PlainText, Query(max_length=200)], search: Search) -> list[LeadMatch]:
    """At most ten leads: whose id begins with `q`, then who have an alias that contains it, in any case.

    Less than two characters find nothing.
    """
    return await search.find(q.strip())


@new_lead_router.post(
    "",
    status_code=201,
    response_model=LeadRead,
    dependencies=[OPERATOR, AS_SENT],
    responses=WRITTEN,
)
async def create_lead(body: LeadCreate, leads: Leads) -> LeadRow:
    """Create a lead under an id of your choice."""
    return await leads.add(body.values())


@lead_router.get("", response_model=LeadDetailRead)
async def get_lead(lead_id: LeadId, leads: ConsistentLeads) -> ScoredLead:
    """One lead with its scores; `merged_into` names the lead that took it in."""
    return await leads.scored(lead_id)


@lead_router.put("", response_model=LeadRead, dependencies=[OPERATOR, AS_SENT], responses=WRITTEN)
async def update_lead(lead_id: LeadId, body: LeadChange, leads: Leads) -> LeadRow:
    """Change the fields that are sent; metadata that is sent replaces the whole."""
    return await leads.change(lead_id, body.sent())


@lead_router.patch(
    "/metadata",
    response_model=MetadataRead,
    dependencies=[OPERATOR, WHOLE_AS_SENT],
    responses=WRITTEN,
)
async def patch_lead_metadata(lead_id: LeadId, body: Annotated[Metadata, Body()], leads: Leads) -> LeadRow:
    """Merge into the metadata: keys that are sent replace, `null` removes, the others stay."""
    return await leads.patch_metadata(lead_id, body)


@lead_router.get("/aliases", response_model=list[AliasRead])
async def list_lead_aliases(lead_id: LeadId, leads: Leads) -> Sequence[Alias]:
    """The names by which the lead is recognised, the first known first."""
    return await leads.aliases(lead_id)


@lead_router.get("/profile")
async def get_lead_profile(lead_id: LeadId, leads: Leads) -> dict[str, Any]:
    """The lead's metadata, from which its profile is scored."""
    return (await leads.record(lead_id)).metadata


@lead_router.get("/account")
async def get_lead_account(lead_id: LeadId, leads: Leads) -> dict[str, Any]:
    """The account that the lead belongs to: `account_id`, `domain`, `name` and `metadata`; `{}` while it has none."""
    return (await leads.record(lead_id)).account


router = APIRouter(tags=["Leads"], responses=ANSWERS)
router.include_router(leads_router)
for noun in ("lead", "leads"):
    router.include_router(new_lead_router, prefix=f"/{noun}")
    router.include_router(lead_router, prefix=f"/{noun}/{{lead_id}}")
