"""The bases of what comes in and goes out."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from leadvibe.core import ids
from leadvibe.core.instants import parse_instant, show_instant


def _read_instant(value: object) -> object:
    if isinstance(value, str):
        return parse_instant(value)
    if isinstance(value, datetime):
        return value
    raise ValueError("must be an RFC 3339 time with a zone, like 2025-08-15T12:00:00Z")


Time = Annotated[
    datetime,
    BeforeValidator(_read_instant, json_schema_input_type=datetime),
    PlainSerializer(show_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""RFC 3339 in and out; UTC with `Z` out."""


def check_plain(value: str) -> str:
    """PostgreSQL takes neither NUL nor lone surrogates as text."""
    if "\x00" in value:
        raise ValueError("must not contain NUL characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must be valid Unicode")
    return value


PlainText = Annotated[str, AfterValidator(check_plain)]


def _show_event_id(value: object) -> object:
    return ids.show("ev", value) if isinstance(value, UUID) else value


EventId = Annotated[str, BeforeValidator(_show_event_id)]
"""`ev_…` on the wire, a UUID in the table."""


def legible(read: Callable[[str], object]) -> AfterValidator:
    """A check that a text is one that can be read; it stays the text that was sent."""

    def check(text: str) -> str:
        read(text)
        return text

    return AfterValidator(check)


LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")


def check_line(value: str) -> str:
    """A name that people read; ValueError unless it is one line of text."""
    if LINE.fullmatch(value) is None:
        raise ValueError("must be 1 to 200 characters without control characters")
    return value


Line = Annotated[str, AfterValidator(lambda value: check_line(value.strip()))]
"""One line of text, without the spaces around it."""

LEAD_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f/\ud800-\udfff]{1,200}")


def check_lead_id(value: str) -> str:
    """A lead's id is whatever the client says, if it can stand in a path; ValueError otherwise."""
    if LEAD_ID.fullmatch(value) is None or value in {".", ".."}:
        raise ValueError("must be 1 to 200 characters without control characters or '/', and not '.' or '..'")
    return value


LeadId = Annotated[str, AfterValidator(check_lead_id)]


class Read(BaseModel):
    """Something the API shows; reads from rows by attribute."""

    model_config = ConfigDict(from_attributes=True)


class Write(BaseModel):
    """Something the API takes; fields it doesn't know are refused by name."""

    model_config = ConfigDict(extra="forbid")

    def values(self) -> dict[str, Any]:
        """The fields that were sent or have a default, by column name."""
        return self.model_dump()

    def sent(self) -> dict[str, Any]:
        """Only the fields that were sent, each whole: what a PUT or PATCH changes."""
        return self.model_dump(include=self.model_fields_set)


UNSENT: Any = Field(default_factory=lambda: None)
"""The default of a field that a PUT or PATCH may leave out and that `null` can't clear; `sent()` leaves it out too."""
