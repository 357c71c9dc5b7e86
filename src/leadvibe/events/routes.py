"""Lists processed events, their types and their channels."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from leadvibe.access.dependencies import ANSWERS, CurrentScope, provide
from leadvibe.access.expensive import BUSY, EXPENSIVE
from leadvibe.core.http.merged_from import describe_merge
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.core.http.preferences import WantsCount
from leadvibe.core.http.schemas import PlainText
from leadvibe.events.export import EventExport
from leadvibe.events.repository import EventRepository, EventRow
from leadvibe.events.schemas import EventFilter, EventPropertiesRead, EventRead, LeadEventFilter
from leadvibe.events.timeline import Timeline
from leadvibe.events.types.repository import EventProperties, EventTypeRepository
from leadvibe.identity.identifiers import LeadId

router = APIRouter(tags=["Events"], responses=ANSWERS)


def _export(scope: CurrentScope) -> EventExport:
    return EventExport(scope)


Events = Annotated[EventRepository, Depends(provide(EventRepository))]
LeadTimeline = Annotated[Timeline, Depends(provide(Timeline))]
Export = Annotated[EventExport, Depends(_export)]
EventTypes = Annotated[EventTypeRepository, Depends(provide(EventTypeRepository))]


@router.get("/events", response_model=list[EventRead])
async def list_events(
    *,
    request: Request,
    response: Response,
    events: Events,
    where: Annotated[EventFilter, Query()],
    page: Paging,
    wants_count: WantsCount,
) -> list[EventRow]:
    """List the events of the OU, newest first.

    In an OU with more than 100,000 events, a filtered list takes long to count. It then has an `X-Total-Count` only if
    the request has the header `Prefer: count=exact`.
    """
    listed = await events.list(where, page, counted=wants_count)
    describe_page(request, response, page, listed.total, after=listed.end)
    describe_merge(response, listed.merged_from)
    return listed.items


@router.get(
    "/events/export",
    dependencies=[EXPENSIVE],
    response_class=StreamingResponse,
    responses={200: {"description": "The file", "content": {"text/csv": {"schema": {"type": "string"}}}}, **BUSY},
)
async def export_events(
    export: Export,
    where: Annotated[EventFilter, Query()],
    raw: Annotated[
        bool, Query(description="Leave every value as it is stored, for example to import it again")
    ] = False,
) -> StreamingResponse:
    """Download the events of the OU as CSV, newest first. The filters are those of the list of events.

    The columns are `id`, `lead_id`, `event_type` and `timestamp`. A value that a spreadsheet would run as a formula,
    because it starts with `=`, `+`, `-`, `@`, a tab or a carriage return, has an apostrophe before it. With `raw=true`
    it has not: an import of that file gives the same values.
    """
    download = {"Content-Disposition": 'attachment; filename="events.csv"'}
    return StreamingResponse(await export.chunks(where, raw=raw), headers=download, media_type="text/csv")


@router.get("/events/{lead_id}", response_model=list[EventRead])
async def list_lead_events(
    *,
    request: Request,
    response: Response,
    lead_id: LeadId,
    timeline: LeadTimeline,
    where: Annotated[LeadEventFilter, Query()],
    page: Paging,
) -> list[EventRow]:
    """List the events of a lead and the other changes of its score, newest first.

    The other changes have the channel `system` and one of these types: `DECAY` (a step of a decay rule, with the points
    it cost), `score_adjusted` (points added or removed by hand, with reason and author), `score_reset` (with the scores
    before it), `score_lifted` (negative totals became zero, because negative scores were switched off), `lead_merged`
    (with the lead that was merged into this one) and `alias_conflict` (an event had an alias that belongs to another
    lead). `GET /events/{event_id}/score-explain` explains each row by its id.
    """
    listed = await timeline.of_lead(lead_id, where, page)
    describe_page(request, response, page, listed.total, after=listed.end)
    describe_merge(response, listed.merged_from)
    return listed.items


@router.get("/event-types")
async def list_event_types(event_types: EventTypes) -> list[str]:
    """List the names of the event types in the OU, without hidden types."""
    return await event_types.visible()


@router.get("/event-types/{event_type:path}/properties", response_model=EventPropertiesRead)
async def list_event_type_properties(event_type: PlainText, event_types: EventTypes) -> EventProperties:
    """List the metadata keys that the events of a type have."""
    return await event_types.properties(event_type)


@router.get("/channels")
async def list_channels(events: Events) -> Sequence[str]:
    """List the channels of all events in the OU, those of hidden types included, in lower case and sorted."""
    return await events.channels()
