"""Analytics: who leads and who gains."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from leadvibe.access.http import ANSWERS, provide
from leadvibe.analytics.repository import ScoreGain, Standings, TopLead
from leadvibe.analytics.schemas import GainsQuery, ScoreGainRead, TopLeadRead, TopQuery

router = APIRouter(tags=["Analytics"], responses=ANSWERS)

Leaders = Annotated[Standings, Depends(provide(Standings, isolation="REPEATABLE READ"))]


@router.get("/top-leads", response_model=list[TopLeadRead])
async def list_top_leads(leaders: Leaders, query: Annotated[TopQuery, Query()]) -> Sequence[TopLead]:
    """The leads with the highest scores."""
    return await leaders.top(query.limit)


@router.get("/score-gains", response_model=list[ScoreGainRead])
@router.get("/recent-score-gains", response_model=list[ScoreGainRead])
async def list_score_gains(leaders: Leaders, query: Annotated[GainsQuery, Query()]) -> Sequence[ScoreGain]:
    """The leads whose scores grew the most in a range of time that lasts until now."""
    return await leaders.gains(query.range, query.limit)
