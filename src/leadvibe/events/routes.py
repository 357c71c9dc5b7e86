"""Events: what was processed, newest first, and the types it came in."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from leadvibe.access.dependencies import ANSWERS, CurrentScope, provide
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.core.http.preferences import WantsCount
from leadvibe.core.http.schemas import LeadId, PlainText
from leadvibe.events.export import EventExport
from leadvibe.events.repository import EventProperties, EventRepository, EventRow, EventTypeRepository
from leadvibe.events.schemas import EventFilter, EventPropertiesRead, EventRead, LeadEventFilter
from leadvibe.events.timeline import Timeline

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
    """The OU's events, newest first.

    Where there are many, `X-Total-Count` of a list that is narrowed takes long to count: it is there for whoever sends
    `Prefer: count=exact`.
    """
    found = await events.list(where, page, counted=wants_count)
    describe_page(request, response, page, found.total, after=found.end)
    return found.items


@router.get(
    "/events/export",
    response_class=StreamingResponse,
    responses={200: {"description": "The file", "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_events(export: Export, where: Annotated[EventFilter, Query()]) -> StreamingResponse:
    """Download the OU's events as CSV, newest first, narrowed as the list of events is.

    The columns are `id`, `lead_id`, `event_type` and `timestamp`, and a cell is what is stored, unchanged: import the
    file into a spreadsheet as text, or an id that begins with `=`, `+`, `-` or `@` is taken for a formula.
    """
    download = {"Content-Disposition": 'attachment; filename="events.csv"'}
    return StreamingResponse(await export.pieces(where), headers=download, media_type="text/csv")


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
    """One lead's events, newest first, and among them, on channel `system`, what else happened to its score.

    `DECAY` tells what silence cost, `score_reset` what the totals were, `lead_merged` who went into the lead and
    `alias_conflict` which of its aliases another lead has.
    """
    found = await timeline.of_lead(lead_id, where, page)
    describe_page(request, response, page, found.total, after=found.end)
    return found.items


@router.get("/event-types")
async def list_event_types(event_types: EventTypes) -> list[str]:
    """The names of the event types that are visible in this OU."""
    return await event_types.visible()


@router.get("/event-types/{event_type:path}/properties", response_model=EventPropertiesRead)
async def list_event_type_properties(event_type: PlainText, event_types: EventTypes) -> EventProperties:
    """The keys that events of one type have in their metadata."""
    return await event_types.properties(event_type)


@router.get("/channels")
async def list_channels(events: Events) -> Sequence[str]:
    """The channels that events came by, in lower case."""
    return await events.channels()
