"""The settings of scoring."""

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
    """The organization's two toggles, and the session timeout of the active OU."""
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
    """Change the fields that are sent, from now on. The two toggles are for admins of the organization.

    When negative scores are switched off, every score below zero becomes zero.
    """
    return changed(ScoringSettingsRead.model_validate(await settings.change(body.sent())), wants)
