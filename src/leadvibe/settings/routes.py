"""Scoring settings."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from leadvibe.access.dependencies import ANSWERS, OWNER, VIEWER, provide
from leadvibe.core.http.preferences import WantsRepresentation, changed
from leadvibe.settings.repository import ScoringSettings, ScoringSettingsRepository
from leadvibe.settings.schemas import ScoringSettingsChange, ScoringSettingsRead

router = APIRouter(tags=["Settings"], responses=ANSWERS)

Settings = Annotated[ScoringSettingsRepository, Depends(provide(ScoringSettingsRepository))]


@router.get("/settings/scoring", dependencies=[VIEWER], response_model=ScoringSettingsRead)
async def get_scoring_settings(settings: Settings) -> ScoringSettings:
    """Get the scoring settings: two of the organization, and the session timeout of the active OU."""
    return await settings.get()


@router.put(
    "/settings/scoring",
    dependencies=[OWNER],
    status_code=204,
    responses={200: {"model": ScoringSettingsRead}},
)
async def update_scoring_settings(
    body: ScoringSettingsChange, settings: Settings, wants: WantsRepresentation
) -> Response:
    """Update the scoring settings. Only the fields you send change. They apply from now on.

    Only an admin of the organization can change `allow_negative_scores` and `abm_enabled`. When you set
    `allow_negative_scores` to `false`, every score below zero becomes zero.
    """
    return changed(ScoringSettingsRead.model_validate(await settings.change(body.sent())), wants)
