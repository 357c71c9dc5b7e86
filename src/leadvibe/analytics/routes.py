"""Analytics: what happens, who leads, who gains, and what of the plan is used."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from leadvibe.access.dependencies import ANSWERS, CurrentOrg, provide
from leadvibe.analytics.repository import ScoreGain, Standings, TopLead
from leadvibe.analytics.schemas import (
    FEW,
    GainsQuery,
    ScoreGainRead,
    StatisticsQuery,
    StatisticsRead,
    TopLeadRead,
    TopQuery,
    TrafficQuery,
    TrafficRead,
    UsageRead,
)
from leadvibe.analytics.traffic import Statistics, Traffic, TrafficRepository
from leadvibe.analytics.usage import Usage, UsageRepository
from leadvibe.core.ranges import Range
from leadvibe.core.scope import OrgScope

router = APIRouter(tags=["Analytics"], responses=ANSWERS)

Leaders = Annotated[Standings, Depends(provide(Standings))]

TrafficFigures = Annotated[TrafficRepository, Depends(provide(TrafficRepository))]


async def organization(caller: CurrentOrg) -> OrgScope:
    """The caller in all of its organization, whatever OU a credential is of."""
    return OrgScope(caller.org_id, caller.actor, caller.admin)


@router.get("/events-analytics", response_model=TrafficRead)
async def analyze_events(figures: TrafficFigures, query: Annotated[TrafficQuery, Query()]) -> Traffic:
    """The events of a range of time by type and by day, newest day first, and how many leads they are of.

    Hidden event types are left out. Days are UTC's.
    """
    return await figures.traffic(query.range, query.event_type)


@router.get("/event-stats", response_model=StatisticsRead)
async def get_event_statistics(figures: TrafficFigures, query: Annotated[StatisticsQuery, Query()]) -> Statistics:
    """How many events there are in all, today, since Monday and in the last 24 hours, and the most frequent types.

    Hidden event types are left out. Days are UTC's.
    """
    return await figures.statistics(query.range, FEW)


@router.get("/usage", response_model=UsageRead)
async def get_usage(usage: Annotated[UsageRepository, Depends(provide(UsageRepository, scope=organization))]) -> Usage:
    """The events that the organization sent in this calendar month, UTC, in all of its OUs.

    Events that were deleted since count; those that repeated an idempotency key don't.
    """
    return await usage.this_month()


@router.get("/top-leads", response_model=list[TopLeadRead])
async def list_top_leads(leaders: Leaders, query: Annotated[TopQuery, Query()]) -> Sequence[TopLead]:
    """The leads with the highest scores."""
    return await leaders.top(query.limit)


@router.get("/score-gains", response_model=list[ScoreGainRead])
@router.get("/recent-score-gains", response_model=list[ScoreGainRead])
async def list_score_gains(leaders: Leaders, query: Annotated[GainsQuery, Query()]) -> Sequence[ScoreGain]:
    """The leads whose scores grew the most in a range of time that lasts until now."""
    return await leaders.gains(Range(query.range), query.limit)
