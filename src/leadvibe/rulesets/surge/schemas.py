"""The surge policy."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StrictFloat

from leadvibe.core.http.schemas import UNSENT, Read, Write
from leadvibe.rulesets.schemas import ConfigurationWrite, Count


def _check_decimals(value: float) -> float:
    if round(value, 3) != value:
        raise ValueError("must have at most three decimals")
    return value


Mode = Literal["off", "standard", "gentle", "custom"]
Multiplier = Annotated[StrictFloat, Field(ge=1, le=100, allow_inf_nan=False), AfterValidator(_check_decimals)]
Cap = Annotated[StrictFloat, Field(ge=1, le=3, allow_inf_nan=False), AfterValidator(_check_decimals)]
MultiplierCap = Annotated[
    Cap | None, Field(description="The largest multiplier. Larger ones are reduced to it. `null`: the mode's default.")
]
IdleReset = Annotated[
    Count | None,
    Field(description="A surge ends after this many seconds without a scoring event. `null`: the mode's default."),
]


class Band(Write):
    """A multiplier, applied from the `min_events`-th to the `max_events`-th scoring event of a surge."""

    min_events: Count
    max_events: Count | None = None
    multiplier: Multiplier


Bands = Annotated[
    list[Band] | None,
    Field(
        max_length=10,
        description="Only for the mode `custom`. The first band starts at 1, and bands don't overlap.",
    ),
]


class SurgePolicyRead(Read):
    org_id: str
    unit_id: str
    mode: Mode
    bands: list[Band]
    idle_reset_seconds: int
    multiplier_cap: float


class SurgePolicyChange(ConfigurationWrite):
    shown_as: ClassVar[type[Read] | None] = SurgePolicyRead

    mode: Mode = UNSENT
    bands: Bands = UNSENT
    idle_reset_seconds: IdleReset = UNSENT
    multiplier_cap: MultiplierCap = UNSENT
