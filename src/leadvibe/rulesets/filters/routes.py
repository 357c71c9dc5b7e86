"""Inorganic filters, which keep events by bots and scanners from scoring."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, VIEWER, provide
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.schemas import PlainText
from leadvibe.rulesets.filters.repository import InorganicFilterRepository
from leadvibe.rulesets.filters.schemas import InorganicFilterChange, InorganicFilterCreate, InorganicFilterRead
from leadvibe.rulesets.models import InorganicFilter

router = APIRouter(tags=["Filters"], responses=ANSWERS)

FilterId = Annotated[PlainText, Path(alias="id")]
Filters = Annotated[InorganicFilterRepository, Depends(provide(InorganicFilterRepository))]


@router.get("/filters", dependencies=[VIEWER], response_model=list[InorganicFilterRead])
async def list_filters(filters: Filters) -> list[InorganicFilter]:
    """List the inorganic filters of the active OU."""
    return await filters.all()


@router.get("/filters/{id}", dependencies=[VIEWER], response_model=InorganicFilterRead)
async def get_filter(filter_id: FilterId, filters: Filters) -> InorganicFilter:
    """Get an inorganic filter."""
    return await filters.get(filter_id)


@router.post("/filters", dependencies=[OPERATOR], status_code=201, response_model=InorganicFilterRead)
async def create_filter(body: InorganicFilterCreate, filters: Filters) -> InorganicFilter:
    """Create an inorganic filter. Events of its type earn no points when a lead has too many within the window."""
    return await filters.create(body.values())


@router.put(
    "/filters/{id}",
    dependencies=[OPERATOR],
    status_code=204,
    responses={200: {"model": InorganicFilterRead}},
)
async def update_filter(
    filter_id: FilterId, body: InorganicFilterChange, filters: Filters, wants: WantsRepresentation
) -> Response:
    """Update an inorganic filter. Only the fields you send change, for events from now on."""
    return changed(InorganicFilterRead.model_validate(await filters.change(filter_id, body.sent())), wants)


@router.delete("/filters/{id}", dependencies=[OPERATOR], status_code=204)
async def delete_filter(filter_id: FilterId, filters: Filters) -> None:
    """Delete an inorganic filter. Events already suppressed stay suppressed."""
    await filters.remove(filter_id)
