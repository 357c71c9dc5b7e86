"""Base classes and field types of the API's schemas."""

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
    raise ValueError("must be an RFC 3339 time with a time zone, like 2025-08-15T12:00:00Z")


Time = Annotated[
    datetime,
    BeforeValidator(_read_instant, json_schema_input_type=datetime),
    PlainSerializer(show_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""RFC 3339 in requests and responses; in responses UTC with `Z`."""


def check_plain(value: str) -> str:
    """PostgreSQL can't store NUL characters and lone surrogates as text."""
    if "\x00" in value:
        raise ValueError("must not contain NUL characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must be valid Unicode")
    return value


PlainText = Annotated[str, AfterValidator(check_plain)]


def _show_event_id(value: object) -> object:
    return ids.show("ev", value) if isinstance(value, UUID) else value


EventId = Annotated[str, BeforeValidator(_show_event_id)]
"""`ev_…` in the API, a UUID in the table."""


def parsable_by(parse: Callable[[str], object]) -> AfterValidator:
    """Check that `parse` accepts the text; the field keeps the text."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")


def check_line(value: str) -> str:
    """A display name; ValueError unless it is one line of 1 to 200 characters."""
    if LINE.fullmatch(value) is None:
        raise ValueError("must be 1 to 200 characters without control characters")
    return value


Line = Annotated[str, AfterValidator(lambda value: check_line(value.strip()))]
"""One line of text; surrounding whitespace is removed."""

LEAD_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f/\ud800-\udfff]{1,200}")


def check_lead_id(value: str) -> str:
    """Clients choose lead ids; ValueError unless the id can be part of a URL path."""
    if LEAD_ID.fullmatch(value) is None or value in {".", ".."}:
        raise ValueError("must be 1 to 200 characters without control characters or '/', and not '.' or '..'")
    return value


LeadId = Annotated[str, AfterValidator(check_lead_id)]


class Read(BaseModel):
    """A response body, built from a row's attributes."""

    model_config = ConfigDict(from_attributes=True)


class Write(BaseModel):
    """A request body; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")

    def values(self) -> dict[str, Any]:
        """All fields, including defaults, by column name."""
        return self.model_dump()

    def sent(self) -> dict[str, Any]:
        """Only the fields that the client sent: the changes of a PUT or PATCH."""
        return self.model_dump(include=self.model_fields_set)


class QueryParameters(BaseModel):
    """The query parameters of a request; unknown parameters are ignored."""


UNSENT: Any = Field(default_factory=lambda: None)
"""The default of a PUT or PATCH field that may be missing but not null; `sent()` leaves it out if it is missing."""
