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
EventTypeName = Annotated[PlainText, Path(description="It may contain `/`")]


@router.get("", dependencies=[VIEWER], response_model=list[EventTypeRead])
async def list_event_type_settings(event_types: EventTypes) -> Sequence[EventTypeRow]:
    """Every event type the active OU has seen or named in a rule, hidden ones too, and how many events it has.

    A type is `protected`, and its events can't be deleted all at once, while an active rule or a filter names it or if
    it is one of the system's own.
    """
    return await event_types.all()


@router.put("/{event_type:path}", dependencies=[OWNER], status_code=204, responses={200: {"model": EventTypeRead}})
async def update_event_type_settings(
    event_type: EventTypeName, body: EventTypeChange, event_types: EventTypes, wants: WantsRepresentation
) -> Response:
    """Change the fields that are sent, for events from now on: what there is keeps its points. For Owners.

    A hidden type is left out of lists, reports and streams, and its new events fire no rule and no trigger.
    `max_processing_scope` is how far new events go: `observe` stores them, `decide` scores them too, `activate` also
    sets off triggers.
    """
    return changed(EventTypeRead.model_validate(await event_types.change(event_type, body.sent())), wants)


@router.get("/{event_type:path}/events/dry-run", dependencies=[VIEWER], response_model=TypeCountsRead)
async def preview_event_type_deletion(event_type: EventTypeName, event_types: EventTypes) -> TypeCounts:
    """How many events, and ledger entries that score them, a deletion of the type's events would remove."""
    return await event_types.counts(event_type)


@router.delete(
    "/{event_type:path}/events",
    dependencies=[OWNER],
    response_model=TypeDeletedRead,
    responses={202: {"model": JobRead, "description": "It takes longer: the job"}, **problems(Conflict)},
)
async def delete_event_type_events(event_type: EventTypeName, deletions: Deletions) -> Response:
    """Delete all events of a type that were sent until now, for good; leads and accounts stay. For Owners.

    The scores become what they would be without them. Answers 200 with the counts where that takes less than ten
    seconds, else 202 with the job that goes on with it. A type that nothing names any more leaves the lists.
    """
    return job_response(await deletions.delete(event_type))
