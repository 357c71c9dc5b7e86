"""The request and response bodies of the settings of event types."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool

from leadvibe.core.http.schemas import UNSENT, Read
from leadvibe.rulesets.schemas import ConfigurationWrite

Hidden = Annotated[
    StrictBool,
    Field(
        description="Left out of the list of event types, reports, streams and lead activity. "
        "New events score nothing, but lists of events contain them."
    ),
]
MaxScope = Annotated[
    Literal["observe", "decide", "activate"],
    Field(
        description="What happens to new events: `observe` stores them, `decide` also scores them, `activate` also "
        "fires triggers."
    ),
]


class EventTypeRead(Read):
    name: str = Field(validation_alias="event_type")
    hidden: bool
    ou_event_count: int
    protected: bool
    deletable: bool
    max_processing_scope: Literal["observe", "decide", "activate"]


class EventTypeChange(ConfigurationWrite):
    shown_as: ClassVar[type[Read] | None] = EventTypeRead

    hidden: Hidden = UNSENT
    max_processing_scope: MaxScope = UNSENT


class TypeCountsRead(Read):
    events_count: int
    event_scores_count: int


class TypeDeletedRead(Read):
    events_deleted: int
    event_scores_deleted: int
