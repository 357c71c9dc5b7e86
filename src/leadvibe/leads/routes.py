"""The list of leads, search, and operations on one lead. Each operation on one lead answers under two prefixes."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.core.http.merged_from import describe_merge
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.core.http.preferences import WantsCount
from leadvibe.core.http.problems import Conflict, TooLarge, problems
from leadvibe.identity.identifiers import LeadId
from leadvibe.identity.models import Alias
from leadvibe.ingest.metadata_field import LIMIT_METADATA_BODY, LIMIT_METADATA_FIELD, Metadata
from leadvibe.leads.repository import LeadRecord, LeadRepository
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
    SearchText,
)
from leadvibe.leads.scored import LeadPage, ScoredLead, ScoredLeads
from leadvibe.leads.search import LeadMatch, LeadSearch

leads_router = APIRouter()
new_lead_router = APIRouter()
lead_router = APIRouter()
"""Operations on one lead."""

WRITE_PROBLEMS = problems(Conflict, TooLarge)

Leads = Annotated[LeadRepository, Depends(provide(LeadRepository))]
Scored = Annotated[ScoredLeads, Depends(provide(ScoredLeads))]
Search = Annotated[LeadSearch, Depends(provide(LeadSearch))]


@leads_router.get("/leads", response_model=LeadList)
async def list_leads(
    request: Request, response: Response, leads: Scored, where: Annotated[LeadFilter, Query()], page: Paging
) -> LeadPage:
    """List the leads of the OU with their scores, highest score first."""
    found = await leads.list(where, page)
    describe_page(request, response, page, found.total, after=found.next_cursor)
    return found


@leads_router.get("/leads/search", response_model=list[LeadMatchRead])
async def search_leads(
    q: Annotated[
        SearchText, Query(max_length=200, description="The start of an id, or a part of an alias; case is ignored")
    ],
    search: Search,
) -> list[LeadMatch]:
    """Search leads by id and alias.

    Returns at most ten leads: first those whose id starts with `q`, then those that a lead with such an id was merged
    into, then those with an alias that starts with `q`, then those with an alias that contains it. A phone number may
    be written in any way, such as `+49 (151) 123-45` or `0151`. A query of fewer than two characters returns an empty
    list.
    """
    return await search.find(q)


@new_lead_router.post(
    "",
    status_code=201,
    response_model=LeadRead,
    dependencies=[OPERATOR, LIMIT_METADATA_FIELD],
    responses=WRITE_PROBLEMS,
)
async def create_lead(body: LeadCreate, leads: Leads) -> LeadRecord:
    """Create a lead with an id of your choice."""
    return await leads.add(body.values())


@lead_router.get("", response_model=LeadDetailRead)
async def get_lead(lead_id: LeadId, leads: Scored) -> ScoredLead:
    """Get a lead with its scores.

    The id of a lead that was merged returns the lead that it was merged into, and `merged_from` is then the id in the
    request. All reads of a lead follow merges like this. Answers without a field for it have the header
    `X-Merged-From`. Writes answer 409 instead, and `merged_into` names the lead to write to.
    """
    return await leads.get(lead_id)


@lead_router.put("", response_model=LeadRead, dependencies=[OPERATOR, LIMIT_METADATA_FIELD], responses=WRITE_PROBLEMS)
async def update_lead(lead_id: LeadId, body: LeadChange, leads: Leads) -> LeadRecord:
    """Change the fields that are sent. `metadata` replaces all of the lead's metadata."""
    return await leads.change(lead_id, body.sent())


@lead_router.patch(
    "/metadata",
    response_model=MetadataRead,
    dependencies=[OPERATOR, LIMIT_METADATA_BODY],
    responses=WRITE_PROBLEMS,
)
async def patch_lead_metadata(lead_id: LeadId, body: Annotated[Metadata, Body()], leads: Leads) -> LeadRecord:
    """Change single metadata keys: a value replaces the key, `null` removes it, other keys stay unchanged."""
    return await leads.patch_metadata(lead_id, body)


@lead_router.get("/aliases", response_model=list[AliasRead])
async def list_lead_aliases(
    *, request: Request, response: Response, lead_id: LeadId, leads: Leads, page: Paging, wants_count: WantsCount
) -> Sequence[Alias]:
    """List the lead's aliases, oldest first.

    If a lead has more than 10,000 aliases, the response has an `X-Total-Count` only if the request has the header
    `Prefer: count=exact`.
    """
    found = await leads.aliases(lead_id, page, counted=wants_count)
    describe_page(request, response, page, found.total, has_next=found.has_next)
    describe_merge(response, found.merged_from)
    return found.items


@lead_router.get("/profile")
async def get_lead_profile(response: Response, lead_id: LeadId, leads: Leads) -> dict[str, Any]:
    """Get the lead's metadata, which is its profile."""
    record = await leads.record(lead_id)
    describe_merge(response, record.merged_from)
    return record.metadata


@lead_router.get("/account")
async def get_lead_account(response: Response, lead_id: LeadId, leads: Leads) -> dict[str, Any]:
    """Get the lead's account: `account_id`, `domain`, `name` and `metadata`. `{}` if the lead has no account."""
    record = await leads.record(lead_id)
    describe_merge(response, record.merged_from)
    return record.account


router = APIRouter(tags=["Leads"], responses=ANSWERS)
router.include_router(leads_router)
for noun in ("lead", "leads"):
    router.include_router(new_lead_router, prefix=f"/{noun}")
    router.include_router(lead_router, prefix=f"/{noun}/{{lead_id}}")
