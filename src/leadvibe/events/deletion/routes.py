"""Events are deleted, and the scores are as if they had never been sent."""

from typing import Annotated

from fastapi import APIRouter, Depends

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.events.deletion.schemas import EventBatch, EventsDeleted
from leadvibe.events.deletion.service import Deleted, EventDeletions

router = APIRouter(tags=["Events"], responses=ANSWERS, dependencies=[OPERATOR])


@router.delete("/events/batch", response_model=EventsDeleted)
async def delete_events(
    body: EventBatch, deletions: Annotated[EventDeletions, Depends(provide(EventDeletions))]
) -> Deleted:
    """Delete events, whether they are processed or still wait, for good; ids that aren't here are passed over.

    The leads' scores become what they would be without them. Idempotency keys stay used.
    """
    return await deletions.delete(body.ids)
