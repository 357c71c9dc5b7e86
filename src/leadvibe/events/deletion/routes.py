"""Deletes events. Scores become what they would be without them."""

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
    """Delete up to 1,000 events permanently, processed or not. Unknown ids are ignored.

    The scores of their leads become what they would be without these events. Idempotency keys stay used. The other
    rows of a timeline, such as adjustments, decay steps, resets and merges, are no events and can't be deleted:
    `warnings` names their ids.
    """
    return await deletions.delete(body.ids)
