"""The settings of an OU's event types."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from leadvibe.access.dependencies import ANSWERS, OWNER, VIEWER, CurrentScope, provide
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.core.http.problems import Conflict, problems
from leadvibe.core.http.schemas import PlainText
from leadvibe.events.types.repository import EventTypeRow, EventTypeSettings, TypeCounts
from leadvibe.events.types.schemas import EventTypeChange, EventTypeRead, TypeCountsRead, TypeDeletedRead
from leadvibe.events.types.service import TypeDeletions
from leadvibe.jobs.responses import job_response
from leadvibe.jobs.schemas import JobRead

router = APIRouter(prefix="/settings/ou/event-types", tags=["Settings"], responses=ANSWERS)


def _deletions(scope: CurrentScope) -> TypeDeletions:
    return TypeDeletions(scope)


EventTypes = Annotated[EventTypeSettings, Depends(provide(EventTypeSettings))]
Deletions = Annotated[TypeDeletions, Depends(_deletions)]
EventTypeName = Annotated[PlainText, Path(description="The name of the event type. It can contain `/`.")]


@router.get("", dependencies=[VIEWER], response_model=list[EventTypeRead])
async def list_event_type_settings(event_types: EventTypes) -> Sequence[EventTypeRow]:
    """List all event types of the active OU, including hidden ones, with their settings and numbers of events.

    These are the types that the OU has received or that a rule uses. A type is `protected` if an active rule or a
    filter uses it, or if it belongs to the system. The events of a protected type can't be deleted as a whole.
    """
    return await event_types.all()


@router.put("/{event_type:path}", dependencies=[OWNER], status_code=204, responses={200: {"model": EventTypeRead}})
async def update_event_type_settings(
    event_type: EventTypeName, body: EventTypeChange, event_types: EventTypes, wants: WantsRepresentation
) -> Response:
    """Change settings of an event type. They apply to new events; existing events keep their points. For Owners.

    A hidden type does not appear in the list of event types, in reports, streams and lead activity. Its new events fire
    no rules and no triggers. `GET /events` and `GET /events/{lead_id}` still list them.
    `max_processing_scope` limits what new events do: `observe` only stores them, `decide` also scores them, `activate`
    also fires triggers.
    """
    return changed(EventTypeRead.model_validate(await event_types.change(event_type, body.sent())), wants)


@router.get("/{event_type:path}/events/dry-run", dependencies=[VIEWER], response_model=TypeCountsRead)
async def preview_event_type_deletion(event_type: EventTypeName, event_types: EventTypes) -> TypeCounts:
    """Count the events of a type, and the ledger entries that score them, that a deletion would remove."""
    return await event_types.counts(event_type)


@router.delete(
    "/{event_type:path}/events",
    dependencies=[OWNER],
    response_model=TypeDeletedRead,
    responses={
        202: {"model": JobRead, "description": "The deletion takes longer and continues as this job."},
        **problems(Conflict),
    },
)
async def delete_event_type_events(event_type: EventTypeName, deletions: Deletions) -> Response:
    """Delete all events of a type that were received until now, permanently. Leads and accounts stay. For Owners.

    The scores become what they would be without these events. If the deletion ends within ten seconds, the response is
    200 with the counts. Otherwise it is 202 with the job that continues the deletion. A type that nothing uses any more
    is removed from the lists.
    """
    return job_response(await deletions.delete(event_type))
