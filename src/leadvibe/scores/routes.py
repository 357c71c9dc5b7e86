"""Scores: one lead's, many leads', and what one event did to them."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from leadvibe.access.dependencies import ANSWERS, OPERATOR, provide
from leadvibe.core.http.paging import Paging, describe_page
from leadvibe.core.http.schemas import LeadId, PlainText, Time
from leadvibe.scores import history as past
from leadvibe.scores.changes import AdjustmentDone, ResetDone, ScoreChanges
from leadvibe.scores.explain_event import EventExplanation, Explanations
from leadvibe.scores.explain_lead import LeadExplanation, LeadExplanations
from leadvibe.scores.history import ScoreHistory
from leadvibe.scores.repository import Score, ScoreRepository
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
Drivers = Annotated[LeadExplanations, Depends(provide(LeadExplanations))]
Sessions = Annotated[SessionRepository, Depends(provide(SessionRepository))]
EventEffects = Annotated[Explanations, Depends(provide(Explanations))]
Acts = Annotated[ScoreChanges, Depends(provide(ScoreChanges))]
PastScores = Annotated[past.PastScores, Depends(provide(past.PastScores))]
At = Annotated[Time | None, Query(description="As it stood at this instant")]
KnownAt = Annotated[Time | None, Query(description="As it was believed at this instant")]
RulesetId = Annotated[PlainText | None, Query(description="Only this ruleset's total")]


@router.post("/scores/batch", response_model=list[BatchScoreRead])
async def read_scores(body: ScoreBatch, scores: Scores) -> list[Score]:
    """The scores of up to 500 leads in one ruleset, in the order asked for; leads that aren't here are left out."""
    return await scores.batch(body.lead_ids, body.ruleset)


@router.get("/score/{lead_id}", response_model=PastScoreRead | ScoreRead)
@router.get("/lead/{lead_id}/score", response_model=PastScoreRead | ScoreRead)
@router.get("/leads/{lead_id}/score", response_model=PastScoreRead | ScoreRead)
async def read_score(
    lead_id: LeadId, scores: PastScores, ruleset_id: RulesetId = None, at: At = None, known_at: KnownAt = None
) -> Score:
    """A lead's score in the ruleset asked for, else the highest over the active rulesets.

    With `at` it is the score as it stood then; with `known_at`, as it was believed then, before late events came in.
    """
    if at is None and known_at is None:
        return await scores.score(lead_id, ruleset_id)
    return await scores.then(lead_id, ruleset_id, at, known_at)


@router.get("/lead/{lead_id}/score-history", response_model=ScoreHistoryRead)
@router.get("/leads/{lead_id}/score-history", response_model=ScoreHistoryRead)
async def read_score_history(
    lead_id: LeadId, scores: PastScores, query: Annotated[HistoryQuery, Query()]
) -> ScoreHistory:
    """A lead's score hour by hour, computed from its ledger: the last 30 days unless you say otherwise."""
    return await scores.history(lead_id, query.ruleset_id, query.days, query.start_date, query.end_date)


@router.get("/lead/{lead_id}/score-explain", response_model=LeadExplanationRead)
@router.get("/leads/{lead_id}/score-explain", response_model=LeadExplanationRead)
async def explain_score(lead_id: LeadId, drivers: Drivers, query: Annotated[ExplainQuery, Query()]) -> LeadExplanation:
    """What moved a lead's score: rules, surges, silence, adjustments and the floor, adding up to exactly its change."""
    return await drivers.explain(lead_id, query.ruleset_id, None if query.all else query.hours)


@router.get("/leads/{lead_id}/sessions", response_model=list[SessionRead])
@router.get("/lead/{lead_id}/sessions", response_model=list[SessionRead])
async def list_lead_sessions(
    request: Request, response: Response, lead_id: LeadId, sessions: Sessions, page: Paging
) -> Sequence[LeadSession]:
    """A lead's sessions, the last one first."""
    found = await sessions.of_lead(lead_id, page)
    describe_page(request, response, page, found.total)
    return found.items


@router.get("/events/{event_id}/score-explain", response_model=EventExplanationRead)
async def explain_event(event_id: PlainText, effects: EventEffects) -> EventExplanation:
    """What one event did to its lead's totals, per ruleset: before, after, which rules paid and how much counted."""
    return await effects.of_event(event_id)


@router.post("/lead/{lead_id}/reset-scores", response_model=ResetRead, dependencies=[OPERATOR])
@router.post("/leads/{lead_id}/reset-scores", response_model=ResetRead, dependencies=[OPERATOR])
async def reset_scores(lead_id: LeadId, changes: Acts) -> ResetDone:
    """Set a lead's totals to zero in every ruleset.

    Nothing dated before counts again, whenever it arrives and whatever is rescored. Events and history stay.
    """
    return await changes.reset(lead_id)


@router.post("/lead/{lead_id}/adjust-score", response_model=AdjustmentRead, dependencies=[OPERATOR])
@router.post("/leads/{lead_id}/adjust-score", response_model=AdjustmentRead, dependencies=[OPERATOR])
async def adjust_score(lead_id: LeadId, body: AdjustmentCreate, changes: Acts) -> AdjustmentDone:
    """Give a lead points by hand, or take some; the floor holds."""
    return await changes.adjust(lead_id, body.points, body.reason, body.ruleset_id)
