"""The configuration of scoring as it comes in and goes out."""

from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, model_validator

from leadvibe.core.http.schemas import UNSENT, Line, Read, Time, Write
from leadvibe.rulesets.attribute_filters import AttributeFilter, AttributeFilters

INT32 = 2**31

Weight = Annotated[StrictInt, Field(ge=-INT32, lt=INT32, description="Points: a whole number, positive or negative")]
Count = Annotated[StrictInt, Field(ge=1, lt=INT32)]
EventTypeName = Annotated[Line, Field(description="An event counts if its type is exactly this")]
StartAt = Annotated[Time | None, Field(description="What happened before this doesn't count")]
EndAt = Annotated[Time | None, Field(description="What happened at this instant or later doesn't count")]
MaxPerLead = Annotated[Count | None, Field(description="How often it pays for one lead, until the next reset")]


class Configured(Read):
    """What every object of the configuration shows."""

    org_id: str
    unit_id: str
    created_at: Time
    updated_at: Time
    created_by: str | None
    updated_by: str | None


class Configure(Write):
    """What clients write. What only the server sets may stand in it, as in what was read before, and is ignored."""

    ignored: ClassVar[set[str]] = {"id", "org_id", "unit_id", "created_at", "updated_at", "created_by", "updated_by"}

    @model_validator(mode="before")
    @classmethod
    def _read(cls, sent: object) -> object:
        if not isinstance(sent, dict):
            return sent
        fields = cast(dict[str, Any], sent)
        return cls.in_our_words({name: value for name, value in fields.items() if name not in cls.ignored})

    @classmethod
    def in_our_words(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """With other names of a field replaced by its own; one that is sent beside it stays, and is refused."""
        return sent


class RulesetRead(Configured):
    id: str = Field(validation_alias="ruleset_id")
    ruleset_id: str
    name: str
    score_column: str
    is_primary: bool
    active: bool
    start_at: Time | None
    end_at: Time | None


class RulesetCreate(Configure):
    ignored: ClassVar[set[str]] = Configure.ignored | {"ruleset_id"}

    name: Line
    score_column: Line = "total_score"
    is_primary: StrictBool = False
    active: StrictBool = True
    start_at: StartAt = None
    end_at: EndAt = None


class RulesetChange(Configure):
    ignored: ClassVar[set[str]] = RulesetCreate.ignored

    name: Line = UNSENT
    score_column: Line = UNSENT
    is_primary: StrictBool = UNSENT
    active: StrictBool = UNSENT
    start_at: StartAt = UNSENT
    end_at: EndAt = UNSENT


class RuleRead(Configured):
    id: str = Field(validation_alias="rule_id")
    rule_id: str
    ruleset_id: str
    event_type: str
    weight: int
    icon: str | None
    active: bool
    start_at: Time | None
    end_at: Time | None
    attribute_filters: list[AttributeFilter]
    max_per_lead: int | None


class RuleCreate(Configure):
    ignored: ClassVar[set[str]] = Configure.ignored | {"rule_id"}

    ruleset_id: Annotated[Line | None, Field(description="By default the primary ruleset")] = None
    event_type: EventTypeName
    weight: Weight
    icon: Line | None = None
    active: StrictBool = True
    start_at: StartAt = None
    end_at: EndAt = None
    attribute_filters: AttributeFilters = Field(default_factory=list)
    max_per_lead: MaxPerLead = None


class RuleChange(Configure):
    ignored: ClassVar[set[str]] = RuleCreate.ignored

    ruleset_id: Line = UNSENT
    event_type: EventTypeName = UNSENT
    weight: Weight = UNSENT
    icon: Line | None = UNSENT
    active: StrictBool = UNSENT
    start_at: StartAt = UNSENT
    end_at: EndAt = UNSENT
    attribute_filters: AttributeFilters = UNSENT
    max_per_lead: MaxPerLead = UNSENT


def _in_thousandths(value: float) -> float:
    if round(value, 3) != value:
        raise ValueError("must have at most three decimals")
    return value


Mode = Literal["off", "standard", "gentle", "custom"]
Multiplier = Annotated[StrictFloat, Field(ge=1, le=100, allow_inf_nan=False), AfterValidator(_in_thousandths)]
Cap = Annotated[StrictFloat, Field(ge=1, le=3, allow_inf_nan=False), AfterValidator(_in_thousandths)]
MultiplierCap = Annotated[Cap | None, Field(description="No multiplier is larger")]
IdleReset = Annotated[Count | None, Field(description="Silence longer than this ends a surge")]


class Band(Write):
    """By what points are multiplied, from the so manieth scoring event of a surge to the so manieth."""

    min_events: Count
    max_events: Count | None = None
    multiplier: Multiplier


Bands = Annotated[
    list[Band] | None,
    Field(max_length=10, description="For `custom`, from 1 on and without overlap; other modes have their own"),
]


class SurgePolicyRead(Read):
    org_id: str
    unit_id: str
    mode: Mode
    bands: list[Band]
    idle_reset_seconds: int
    multiplier_cap: float


class SurgePolicyChange(Configure):
    mode: Mode = UNSENT
    bands: Bands = UNSENT
    idle_reset_seconds: IdleReset = UNSENT
    multiplier_cap: MultiplierCap = UNSENT


Periods = Annotated[
    StrictInt, Field(ge=1, le=100_000, description="After so many units of silence, and again and again")
]
Unit = Literal["hours", "days", "weeks"]


def _some_points(value: int) -> int:
    if value == 0:
        raise ValueError("must not be 0")
    return abs(value)


Decrease = Annotated[
    StrictInt,
    Field(gt=-INT32, lt=INT32, description="The points it costs, with either sign"),
    AfterValidator(_some_points),
]


class DecayRead(Configured):
    id: str = Field(validation_alias="decay_id")
    decay_id: str
    name: str | None
    inactive_for: int
    unit: Unit
    decrease: int
    active: bool


class _Decay(Configure):
    ignored: ClassVar[set[str]] = Configure.ignored | {"decay_id"}

    @classmethod
    def in_our_words(cls, sent: dict[str, Any]) -> dict[str, Any]:
        if "points" in sent and "decrease" not in sent:
            sent["decrease"] = sent.pop("points")
        if "interval_days" in sent and sent.keys().isdisjoint({"inactive_for", "unit"}):
            sent |= {"inactive_for": sent.pop("interval_days"), "unit": "days"}
        return sent


class DecayCreate(_Decay):
    """`interval_days` may stand for `inactive_for` and `unit`, and `points` for `decrease`."""

    name: Line | None = None
    inactive_for: Periods
    unit: Unit
    decrease: Decrease
    active: StrictBool = True


class DecayChange(_Decay):
    name: Line | None = UNSENT
    inactive_for: Periods = UNSENT
    unit: Unit = UNSENT
    decrease: Decrease = UNSENT
    active: StrictBool = UNSENT


Threshold = Annotated[StrictInt, Field(ge=1, le=1000, description="So many events within the window are a person's")]
ActivePeriod = Annotated[
    StrictInt, Field(ge=1, le=100 * 365 * 86_400_000, description="The length of the rolling window")
]
Grouping = Annotated[StrictBool, Field(description="Let the first event of each burst count, and only that one")]


class InorganicFilterRead(Configured):
    id: str = Field(validation_alias="filter_id")
    filter_id: str
    event_type: str
    count_threshold: int
    time_window_ms: int
    group_events: bool


class InorganicFilterCreate(Configure):
    ignored: ClassVar[set[str]] = Configure.ignored | {"filter_id"}

    event_type: EventTypeName
    count_threshold: Threshold
    time_window_ms: ActivePeriod
    group_events: Grouping = False


class InorganicFilterChange(Configure):
    ignored: ClassVar[set[str]] = InorganicFilterCreate.ignored

    event_type: EventTypeName = UNSENT
    count_threshold: Threshold = UNSENT
    time_window_ms: ActivePeriod = UNSENT
    group_events: Grouping = UNSENT
