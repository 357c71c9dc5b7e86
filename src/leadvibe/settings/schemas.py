"""The settings of scoring."""

from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from leadvibe.core.http.schemas import UNSENT, Read, Write

AllowNegativeScores = Annotated[StrictBool, Field(description="Organization-wide: may scores go below zero?")]
AbmEnabled = Annotated[StrictBool, Field(description="Organization-wide: are accounts in use?")]
SessionTimeout = Annotated[
    StrictInt, Field(ge=1, le=1440, description="Of the active OU: silence longer than this ends a lead's session")
]


class ScoringSettingsRead(Read):
    allow_negative_scores: bool
    abm_enabled: bool
    session_timeout_minutes: int


class ScoringSettingsChange(Write):
    allow_negative_scores: AllowNegativeScores = UNSENT
    abm_enabled: AbmEnabled = UNSENT
    session_timeout_minutes: SessionTimeout = UNSENT
