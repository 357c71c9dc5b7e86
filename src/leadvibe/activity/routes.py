"""The activity of one lead."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from leadvibe.access.dependencies import ANSWERS, provide
from leadvibe.activity.repository import Activity, ActivityRepository
from leadvibe.activity.schemas import ActivityFilter, ActivityRead
from leadvibe.identity.identifiers import LeadId

lead_router = APIRouter()
router = APIRouter(tags=["Events"], responses=ANSWERS)

Activities = Annotated[ActivityRepository, Depends(provide(ActivityRepository))]


@lead_router.get("/activity", response_model=ActivityRead)
async def get_lead_activity(
    lead_id: LeadId,
    where: Annotated[ActivityFilter, Query()],
    activities: Activities,
) -> Activity:
    """List a lead's events and orders, newest first. `timeline` contains both. Default: the last seven days.

    The events include rows on channel `system`: `DECAY`, `score_adjusted`, `score_reset`, `score_lifted`, `lead_merged`
    and `alias_conflict`. So the `score_delta` of all rows add up to the score in the primary ruleset. Events of hidden
    types are excluded, with the points that they gave before their type was hidden. `range` filters events and orders;
    the other filters apply to events only. Each list contains the newest `limit` rows, at most 500. For older ones send
    `start` and `end`, or use `GET /events/{lead_id}`, which returns all events in pages.
    """
    return await activities.of_lead(lead_id, where)


for noun in ("lead", "leads"):
    router.include_router(lead_router, prefix=f"/{noun}/{{lead_id}}")
