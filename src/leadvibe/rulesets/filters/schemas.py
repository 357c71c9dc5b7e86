"""Inorganic filters."""

from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StrictInt

from leadvibe.core.http.schemas import UNSENT, Read
from leadvibe.rulesets.schemas import ConfigurationRead, ConfigurationWrite, EventTypeName

CountThreshold = Annotated[
    StrictInt, Field(ge=1, le=1000, description="How many events of one lead count within the window")
]
TimeWindow = Annotated[
    StrictInt, Field(ge=1, le=100 * 365 * 86_400_000, description="The length of the rolling window in milliseconds")
]
GroupEvents = Annotated[StrictBool, Field(description="Count only the first event of each burst")]


class InorganicFilterRead(ConfigurationRead):
    id: str = Field(validation_alias="filter_id")
    filter_id: str
    event_type: str
    count_threshold: int
    time_window_ms: int
    group_events: bool


class InorganicFilterCreate(ConfigurationWrite):
    shown_as: ClassVar[type[Read] | None] = InorganicFilterRead

    event_type: EventTypeName
    count_threshold: CountThreshold
    time_window_ms: TimeWindow
    group_events: GroupEvents = False


class InorganicFilterChange(ConfigurationWrite):
    shown_as: ClassVar[type[Read] | None] = InorganicFilterRead

    event_type: EventTypeName = UNSENT
    count_threshold: CountThreshold = UNSENT
    time_window_ms: TimeWindow = UNSENT
    group_events: GroupEvents = UNSENT
