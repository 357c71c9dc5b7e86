"""Decay rules."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from leadvibe.core.http.schemas import UNSENT, Line, Read
from leadvibe.rulesets.schemas import INT32, ConfigurationRead, ConfigurationWrite

InactiveFor = Annotated[
    StrictInt,
    Field(
        ge=1,
        le=100_000,
        description="The period without activity, in `unit`. The points are deducted after each full period.",
    ),
]
Unit = Literal["hours", "days", "weeks"]


def _absolute(value: int) -> int:
    if value == 0:
        raise ValueError("must not be 0")
    return abs(value)


Decrease = Annotated[
    StrictInt,
    Field(gt=-INT32, lt=INT32, description="The points to deduct. The sign doesn't matter."),
    AfterValidator(_absolute),
]


class DecayRead(ConfigurationRead):
    id: str = Field(validation_alias="decay_id")
    decay_id: str
    name: str | None
    inactive_for: int
    unit: Unit
    decrease: int
    active: bool


class _Decay(ConfigurationWrite):
    shown_as: ClassVar[type[Read] | None] = DecayRead

    @classmethod
    def rename_aliases(cls, fields: dict[str, Any]) -> dict[str, Any]:
        if "points" in fields and "decrease" not in fields:
            fields["decrease"] = fields.pop("points")
        if "interval_days" in fields and fields.keys().isdisjoint({"inactive_for", "unit"}):
            fields |= {"inactive_for": fields.pop("interval_days"), "unit": "days"}
        return fields


class DecayCreate(_Decay):
    """`interval_days` is accepted instead of `inactive_for` and `unit`, and `points` instead of `decrease`."""

    name: Line | None = None
    inactive_for: InactiveFor
    unit: Unit
    decrease: Decrease
    active: StrictBool = True


class DecayChange(_Decay):
    name: Line | None = UNSENT
    inactive_for: InactiveFor = UNSENT
    unit: Unit = UNSENT
    decrease: Decrease = UNSENT
    active: StrictBool = UNSENT
