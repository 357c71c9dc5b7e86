"""Rulesets, and what all objects of the scoring configuration have in common."""

from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt

from leadvibe.core.http.schemas import UNSENT, Line, Read, Time, Write

INT32 = 2**31
"""Integers in the database are smaller than this."""

Count = Annotated[StrictInt, Field(ge=1, lt=INT32)]
EventTypeName = Annotated[Line, Field(description="The event type, compared exactly")]
StartAt = Annotated[Time | None, Field(description="Events before this time don't count.")]
EndAt = Annotated[Time | None, Field(description="Events at or after this time don't count.")]


class ConfigurationRead(Read):
    """The fields that every object of the configuration has."""

    org_id: str
    unit_id: str
    created_at: Time
    updated_at: Time
    created_by: str | None
    updated_by: str | None


class ConfigurationWrite(Write):
    """A part of the configuration. Its `shown_as` is a ConfigurationRead."""

    shown_as: ClassVar[type[Read] | None] = ConfigurationRead


class RulesetRead(ConfigurationRead):
    id: str = Field(validation_alias="ruleset_id")
    ruleset_id: str
    name: str
    score_column: str
    is_primary: bool
    active: bool
    start_at: Time | None
    end_at: Time | None


class RulesetCreate(ConfigurationWrite):
    shown_as: ClassVar[type[Read] | None] = RulesetRead

    name: Line
    score_column: Line = "total_score"
    is_primary: StrictBool = False
    active: StrictBool = True
    start_at: StartAt = None
    end_at: EndAt = None


class RulesetChange(ConfigurationWrite):
    shown_as: ClassVar[type[Read] | None] = RulesetRead

    name: Line = UNSENT
    score_column: Line = UNSENT
    is_primary: StrictBool = UNSENT
    active: StrictBool = UNSENT
    start_at: StartAt = UNSENT
    end_at: EndAt = UNSENT
