"""What happened around one lead, under `/lead` and `/leads`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from leadvibe.access.dependencies import ANSWERS, provide
from leadvibe.activity.repository import Activities, Activity
from leadvibe.activity.schemas import ActivityFilter, ActivityRead
from leadvibe.core.http.schemas import LeadId

lead_router = APIRouter()
router = APIRouter(tags=["Events"], responses=ANSWERS)


@lead_router.get("/activity", response_model=ActivityRead)
async def get_lead_activity(
    lead_id: LeadId,
    where: Annotated[ActivityFilter, Query()],
    activities: Annotated[Activities, Depends(provide(Activities))],
) -> Activity:
    """A lead's events, its orders, and `timeline`: both in one, newest first. By default, of the last seven days.

    Among the events are, on channel `system`, `score_reset`, `DECAY`, `lead_merged` and `alias_conflict`; events of
    hidden types are left out. `range` narrows events and orders, the other filters narrow events only. Each of the
    three lists holds the newest `limit` rows, 500 at most: `range=custom` reaches what is older, and
    `GET /events/{lead_id}` goes through all events page by page.
    """
    return await activities.of_lead(lead_id, where)


for noun in ("lead", "leads"):
    router.include_router(lead_router, prefix=f"/{noun}/{{lead_id}}")
