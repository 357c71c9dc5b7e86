"""The schemas and filters of lists of events."""

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, PlainValidator, computed_field

from leadvibe.core.http.schemas import EventId, PlainText, Read, Time, check_plain, parsable_by
from leadvibe.core.instants import from_micros, micros
from leadvibe.core.ranges import Range


class EventRead(Read):
    """A processed event. `timestamp` and `created_at` are both the time at which it happened."""

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
    """A metadata key and its value, compared as text."""

    key: str
    value: str

    @classmethod
    def read(cls, text: str) -> "MetadataTerm":
        key, colon, value = check_plain(text).partition(":")
        if not key or not colon:
            raise ValueError("must have the form key:value, like utm_campaign:fall2025")
        return cls(key, value)


class Cursor(NamedTuple):
    """The event after which the next page of a list starts. The list is sorted newest first."""

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
            raise ValueError("must be a value from the Link header of a page") from None


class LeadEventFilter(BaseModel):
    event_type: Annotated[PlainText, AfterValidator(str.strip)] | None = None
    after: Annotated[str, parsable_by(Cursor.read)] | None = Field(
        default=None,
        description="The event after which this page starts, from the Link header. `page` is then only a page number.",
    )

    @property
    def start(self) -> Cursor | None:
        return None if self.after is None else Cursor.read(self.after)


SEPARATOR = "\x1f"
"""Separates the name from the value in the texts that the keys of an event are derived from."""


class EventFilter(LeadEventFilter):
    lead_id: PlainText | None = None
    range: Range = Range.ALL
    channel: PlainText | None = Field(default=None, description="`all` means any channel.")
    metadata: list[Annotated[MetadataTerm, PlainValidator(MetadataTerm.read, json_schema_input_type=str)]] = Field(
        default_factory=list, max_length=20, description="`key:value`. It can be repeated."
    )
    logic: Literal["and", "or"] = Field(
        default="and", description="`and`: all `metadata` filters must match. `or`: at least one."
    )

    @property
    def on_channel(self) -> str | None:
        """The channel in lower case, as events have it. None means any channel."""
        channel = "all" if self.channel is None else self.channel.strip().lower()
        return None if channel == "all" else channel

    @property
    def narrows(self) -> bool:
        """Whether there is any filter besides `event_type`."""
        by_lead_or_channel = self.lead_id is not None or self.on_channel is not None
        return by_lead_or_channel or self.range != Range.ALL or bool(self.metadata)

    @property
    def keys(self) -> list[tuple[str, list[str]]]:
        """The texts whose keys an event must have: all of them (operator `@>`), or at least one (`&&`)."""
        values = {"type": self.event_type, "channel": self.on_channel}
        required = [f"{name}{SEPARATOR}{value}" for name, value in values.items() if value is not None]
        terms = [f"{key}{SEPARATOR}{value}" for key, value in self.metadata]
        if self.logic == "and":
            required, terms = required + terms, []
        return [(operator, texts) for operator, texts in (("@>", required), ("&&", terms)) if texts]


class EventPropertiesRead(Read):
    event_type: str
    properties: list[str]
