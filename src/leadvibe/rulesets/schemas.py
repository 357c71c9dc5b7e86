"""Rulesets, and what all objects of the scoring configuration have in common."""

from typing import Annotated, Any, ClassVar, cast

from pydantic import Field, StrictBool, StrictInt, model_validator

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
    """Ignores read-only fields, so that clients can send back an object as they read it."""

    ignored: ClassVar[set[str]] = {"id", "org_id", "unit_id", "created_at", "updated_at", "created_by", "updated_by"}

    @model_validator(mode="before")
    @classmethod
    def _without_ignored(cls, body: object) -> object:
        if not isinstance(body, dict):
            return body
        fields = cast(dict[str, Any], body)
        return cls.rename_aliases({name: value for name, value in fields.items() if name not in cls.ignored})

    @classmethod
    def rename_aliases(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Rename fields that have an alternative name. If both names are sent, the alternative one is an error."""
        return fields


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
    ignored: ClassVar[set[str]] = ConfigurationWrite.ignored | {"ruleset_id"}

    name: Line
    score_column: Line = "total_score"
    is_primary: StrictBool = False
    active: StrictBool = True
    start_at: StartAt = None
    end_at: EndAt = None


class RulesetChange(ConfigurationWrite):
    ignored: ClassVar[set[str]] = RulesetCreate.ignored

    name: Line = UNSENT
    score_column: Line = UNSENT
    is_primary: StrictBool = UNSENT
    active: StrictBool = UNSENT
    start_at: StartAt = UNSENT
    end_at: EndAt = UNSENT
