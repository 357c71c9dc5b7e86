"""Events as lists show them, and what lists are narrowed by."""

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, PlainValidator, computed_field

from leadvibe.core.http.schemas import EventId, PlainText, Read, Time, check_plain, parsable_by
from leadvibe.core.instants import from_micros, micros
from leadvibe.core.ranges import Range


class EventRead(Read):
    """An event that was processed. `timestamp` and `created_at` both say when it happened."""

    event_id: EventId
    org_id: str
    unit_id: str
    lead_id: str
    event_type: str
    timestamp: Time = Field(validation_alias="occurred_at")
    received_at: Time
    channel: str | None
    metadata: dict[str, Any]
    suppression_reason: str | None
    original_lead_id: str | None

    @computed_field
    @property
    def id(self) -> str:
        return self.event_id

    @computed_field
    @property
    def created_at(self) -> Time:
        return self.timestamp


class MetadataTerm(NamedTuple):
    """A key of the metadata and the value that it has, compared as text."""

    key: str
    value: str

    @classmethod
    def read(cls, text: str) -> "MetadataTerm":
        key, colon, value = check_plain(text).partition(":")
        if not key or not colon:
            raise ValueError("must be key:value, like utm_campaign:fall2025")
        return cls(key, value)


class Cursor(NamedTuple):
    """Where in a list, newest first, a page goes on: after this event."""

    occurred_at: datetime
    event_id: UUID

    def __str__(self) -> str:
        return f"{micros(self.occurred_at)}_{self.event_id.hex}"

    @classmethod
    def read(cls, text: str) -> "Cursor":
        instant, _, event_id = text.partition("_")
        try:
            return cls(from_micros(int(instant)), UUID(hex=event_id))
        except (ValueError, OverflowError):
            raise ValueError("must be taken from a page's Link header") from None


class LeadEventFilter(BaseModel):
    event_type: Annotated[PlainText, AfterValidator(str.strip)] | None = None
    after: Annotated[str, parsable_by(Cursor.read)] | None = Field(
        default=None, description="Go on after this event, as the Link header says; `page` then only counts"
    )

    @property
    def start(self) -> Cursor | None:
        return None if self.after is None else Cursor.read(self.after)


SEPARATOR = "\x1f"
"""Between the name and the value of what an event's index keys are made of."""


class EventFilter(LeadEventFilter):
    lead_id: PlainText | None = None
    range: Range = Range.ALL
    channel: PlainText | None = Field(default=None, description="`all` is any")
    metadata: list[Annotated[MetadataTerm, PlainValidator(MetadataTerm.read, json_schema_input_type=str)]] = Field(
        default_factory=list, max_length=20, description="`key:value`, may be repeated"
    )
    logic: Literal["and", "or"] = Field(default="and", description="Whether every metadata filter must match, or one")

    @property
    def on_channel(self) -> str | None:
        """In the form that events have theirs; None is any."""
        channel = "all" if self.channel is None else self.channel.strip().lower()
        return None if channel == "all" else channel

    @property
    def narrows(self) -> bool:
        """Whether it leaves out more than the events of other types."""
        named = self.lead_id is not None or self.on_channel is not None
        return named or self.range != Range.ALL or bool(self.metadata)

    @property
    def keys(self) -> list[tuple[str, list[str]]]:
        """What an event must have, as the words that its index keys are made of: all of these, or one of those."""
        named = {"type": self.event_type, "channel": self.on_channel}
        every = [f"{name}{SEPARATOR}{value}" for name, value in named.items() if value is not None]
        terms = [f"{key}{SEPARATOR}{value}" for key, value in self.metadata]
        if self.logic == "and":
            every, terms = every + terms, []
        return [(operator, words) for operator, words in (("@>", every), ("&&", terms)) if words]


class EventPropertiesRead(Read):
    event_type: str
    properties: list[str]
