"""The score log of a lead."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from leadvibe.access.dependencies import ANSWERS, provide
from leadvibe.core.http.merged_from import describe_merge
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.identity.identifiers import LeadId
from leadvibe.scores.log.repository import LogLine, ScoreLogRepository
from leadvibe.scores.log.schemas import ScoreLogFilter, ScoreLogLineRead

router = APIRouter(tags=["Scores"], responses=ANSWERS)

ScoreLog = Annotated[ScoreLogRepository, Depends(provide(ScoreLogRepository))]


@router.get("/lead/{lead_id}/score-log", response_model=list[ScoreLogLineRead])
@router.get("/leads/{lead_id}/score-log", response_model=list[ScoreLogLineRead])
async def list_score_log(
    *,
    request: Request,
    response: Response,
    lead_id: LeadId,
    log: ScoreLog,
    where: Annotated[ScoreLogFilter, Query()],
    page: Paging,
) -> Sequence[LogLine]:
    """List everything that changed a lead's totals, newest first: the current lines of its ledger.

    A line is of one ruleset. It shows the total after it, so a ruleset's newest line shows the score. An event that
    several rulesets score has a line in each. Lines that a late event or a rescore replaced are left out.
    """
    result = await log.of_lead(lead_id, where, page)
    describe_page(request, response, page, result.total, after=result.end)
    describe_merge(response, result.merged_from)
    return result.items
