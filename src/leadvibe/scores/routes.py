"""Routes for scores: reads, history, explanations, sessions, resets and adjustments."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.core.http.merged_from import describe_merge
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.core.http.schemas import PlainText, QueryTime
from leadvibe.identity.identifiers import LeadId
from leadvibe.scores.adjustments import AdjustmentResult, AdjustmentService
from leadvibe.scores.explain_event import EventExplanation, EventExplanationRepository
from leadvibe.scores.explain_lead import LeadExplanation, LeadExplanationRepository
from leadvibe.scores.history import ScoreHistory, ScoreHistoryRepository
from leadvibe.scores.repository import BatchScore, Score, ScoreRepository
from leadvibe.scores.resets import ResetResult, ResetService
from leadvibe.scores.schemas import (
    AdjustmentCreate,
    AdjustmentRead,
    BatchScoreRead,
    EventExplanationRead,
    ExplainQuery,
    HistoryQuery,
    LeadExplanationRead,
    PastScoreRead,
    ResetRead,
    ScoreBatch,
    ScoreHistoryRead,
    ScoreRead,
    SessionRead,
)
from leadvibe.scores.sessions import LeadSession, SessionRepository

router = APIRouter(tags=["Scores"], responses=ANSWERS)

Scores = Annotated[ScoreRepository, Depends(provide(ScoreRepository))]
PastScores = Annotated[ScoreHistoryRepository, Depends(provide(ScoreHistoryRepository))]
LeadExplanations = Annotated[LeadExplanationRepository, Depends(provide(LeadExplanationRepository))]
EventExplanations = Annotated[EventExplanationRepository, Depends(provide(EventExplanationRepository))]
Sessions = Annotated[SessionRepository, Depends(provide(SessionRepository))]
Resets = Annotated[ResetService, Depends(provide(ResetService))]
Adjustments = Annotated[AdjustmentService, Depends(provide(AdjustmentService))]
At = Annotated[QueryTime | None, Query(description="The instant of the score; by default now")]
KnownAt = Annotated[
    QueryTime | None, Query(description="Compute the score from what the server knew at this instant; by default now")
]
RulesetId = Annotated[
    PlainText | None, Query(description="By default the active ruleset in which the lead's total is highest")
]


@router.post("/scores/batch", response_model=list[BatchScoreRead])
async def read_scores(body: ScoreBatch, scores: Scores) -> list[BatchScore]:
    """Get the scores of up to 500 leads in one ruleset, in the order of `lead_ids`.

    Leads that don't exist are left out. A merged lead has the score of the lead that it was merged into.
    """
    return await scores.batch(body.lead_ids, body.ruleset)


@router.get("/score/{lead_id}", response_model=PastScoreRead | ScoreRead)
@router.get("/lead/{lead_id}/score", response_model=PastScoreRead | ScoreRead)
@router.get("/leads/{lead_id}/score", response_model=PastScoreRead | ScoreRead)
async def read_score(
    lead_id: LeadId, scores: PastScores, ruleset_id: RulesetId = None, at: At = None, known_at: KnownAt = None
) -> Score:
    """Get a lead's score: its total in one ruleset.

    Without `ruleset_id`, the score is the highest total over the active rulesets. `at` returns the score at an earlier
    instant. `known_at` leaves out what the server learned later, such as late events and rescores.
    """
    if at is None and known_at is None:
        return await scores.score(lead_id, ruleset_id)
    return await scores.score_at(lead_id, ruleset_id, at, known_at)


@router.get("/lead/{lead_id}/score-history", response_model=ScoreHistoryRead)
@router.get("/leads/{lead_id}/score-history", response_model=ScoreHistoryRead)
async def read_score_history(
    lead_id: LeadId, scores: PastScores, query: Annotated[HistoryQuery, Query()]
) -> ScoreHistory:
    """Get a lead's score at every full hour and at every reset, by default over the last 30 days."""
    return await scores.history(lead_id, query.ruleset_id, query.days, query.start_date, query.end_date)


@router.get("/lead/{lead_id}/score-explain", response_model=LeadExplanationRead)
@router.get("/leads/{lead_id}/score-explain", response_model=LeadExplanationRead)
async def explain_score(
    lead_id: LeadId, explanations: LeadExplanations, query: Annotated[ExplainQuery, Query()]
) -> LeadExplanation:
    """Explain how a lead's score changed: by rules, surges, decay, adjustments and the floor.

    The parts add up exactly to the change.
    """
    return await explanations.explain(lead_id, query.ruleset_id, None if query.all else query.hours)


@router.get("/leads/{lead_id}/sessions", response_model=list[SessionRead])
@router.get("/lead/{lead_id}/sessions", response_model=list[SessionRead])
async def list_lead_sessions(
    request: Request, response: Response, lead_id: LeadId, sessions: Sessions, page: Paging
) -> Sequence[LeadSession]:
    """List a lead's sessions, latest first."""
    result = await sessions.of_lead(lead_id, page)
    describe_page(request, response, page, result.total)
    describe_merge(response, result.merged_from)
    return result.items


@router.get("/events/{event_id}/score-explain", response_model=EventExplanationRead)
async def explain_event(event_id: PlainText, explanations: EventExplanations) -> EventExplanation:
    """Explain how one event changed its lead's total in each ruleset.

    Shows the total before and after, the rules that paid, and the points that counted. The other rows of a lead's
    timeline are explained by their `ev_…` id, too: adjustments, decay steps, resets and lifts. A merge and an alias
    conflict have no effect of their own, so their list is empty.
    """
    return await explanations.explain(event_id)


@router.post("/lead/{lead_id}/reset-scores", response_model=ResetRead, dependencies=[OPERATOR])
@router.post("/leads/{lead_id}/reset-scores", response_model=ResetRead, dependencies=[OPERATOR])
async def reset_scores(lead_id: LeadId, resets: Resets) -> ResetResult:
    """Set a lead's totals to zero in every ruleset.

    Earlier events no longer count, even if they arrive late or the lead is rescored. Events and history are kept.
    """
    return await resets.reset(lead_id)


@router.post("/lead/{lead_id}/adjust-score", response_model=AdjustmentRead, dependencies=[OPERATOR])
@router.post("/leads/{lead_id}/adjust-score", response_model=AdjustmentRead, dependencies=[OPERATOR])
async def adjust_score(lead_id: LeadId, body: AdjustmentCreate, adjustments: Adjustments) -> AdjustmentResult:
    """Add points to a lead's score, or remove some with a negative number. The score floor still applies."""
    return await adjustments.adjust(lead_id, body.points, body.reason, body.ruleset_id)
