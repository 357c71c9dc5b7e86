"""Analytics: event counts, leaderboards, and the usage of the organization's plan."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from leadvibe.access.dependencies import ANSWERS, ActiveUnit, CurrentOrg, provide
from leadvibe.analytics.repository import LeaderboardRepository, ScoreGain, TopLead
from leadvibe.analytics.schemas import (
    DEFAULT_LIMIT,
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

Leaderboards = Annotated[LeaderboardRepository, Depends(provide(LeaderboardRepository))]
TrafficStatistics = Annotated[TrafficRepository, Depends(provide(TrafficRepository))]


async def organization(caller: CurrentOrg) -> OrgScope:
    """The caller in its whole organization, even if it uses the credential of one OU."""
    return OrgScope(caller.org_id, caller.actor, caller.admin, caller.proof)


@router.get("/events-analytics", response_model=TrafficRead)
async def analyze_events(traffic: TrafficStatistics, query: Annotated[TrafficQuery, Query()]) -> Traffic:
    """Count the events in a range of time, by type and by day, newest day first, and the leads that have them.

    Hidden event types are excluded. Days are in UTC.
    """
    return await traffic.traffic(query.range, query.event_type)


@router.get("/event-stats", response_model=StatisticsRead)
async def get_event_statistics(traffic: TrafficStatistics, query: Annotated[StatisticsQuery, Query()]) -> Statistics:
    """Count all events, those of today, since Monday and in the last 24 hours, and list the most frequent types.

    Hidden event types are excluded. Days are in UTC.
    """
    return await traffic.statistics(query.range, DEFAULT_LIMIT)


@router.get("/usage", response_model=UsageRead)
async def get_usage(
    usage: Annotated[UsageRepository, Depends(provide(UsageRepository, scope=organization))],
    unit_id: ActiveUnit,
) -> Usage:
    """Count the events of the current calendar month (UTC): those of the whole organization, and of the active OU.

    Deleted events count. Events that repeat an idempotency key don't count.
    """
    return await usage.this_month(unit_id)


@router.get("/top-leads", response_model=list[TopLeadRead])
async def list_top_leads(leaderboards: Leaderboards, query: Annotated[TopQuery, Query()]) -> Sequence[TopLead]:
    """List the leads with the highest scores."""
    return await leaderboards.top(query.limit)


@router.get("/score-gains", response_model=list[ScoreGainRead])
@router.get("/recent-score-gains", response_model=list[ScoreGainRead])
async def list_score_gains(leaderboards: Leaderboards, query: Annotated[GainsQuery, Query()]) -> Sequence[ScoreGain]:
    """List the leads whose scores rose most from the start of a range of time until now."""
    return await leaderboards.gains(Range(query.range), query.limit)
