"""Scoring settings."""

from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt

from leadvibe.core.http.schemas import UNSENT, Read, Write

AllowNegativeScores = Annotated[
    StrictBool, Field(description="Whether scores can go below zero. Applies to all OUs of the organization.")
]
AbmEnabled = Annotated[
    StrictBool, Field(description="Whether accounts are in use. Applies to all OUs of the organization.")
]
SessionTimeout = Annotated[
    StrictInt,
    Field(ge=1, le=1440, description="A lead's session ends after this many minutes without an event. Per OU."),
]


class ScoringSettingsRead(Read):
    allow_negative_scores: bool
    abm_enabled: bool
    session_timeout_minutes: int


class ScoringSettingsChange(Write):
    shown_as: ClassVar[type[Read] | None] = ScoringSettingsRead

    allow_negative_scores: AllowNegativeScores = UNSENT
    abm_enabled: AbmEnabled = UNSENT
    session_timeout_minutes: SessionTimeout = UNSENT
