"""Base classes and field types of the API's schemas."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from leadvibe.core import ids
from leadvibe.core.instants import parse_instant, restore_plus_sign, show_instant


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
"""A time with a zone in requests, RFC 3339 in responses; in responses UTC with `Z`."""

QueryTime = Annotated[
    Time, BeforeValidator(lambda value: restore_plus_sign(value) if isinstance(value, str) else value)
]
"""A time in a query string. The `+` of its offset needn't be encoded."""


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


class Read(BaseModel):
    """A response body, built from a row's attributes."""

    model_config = ConfigDict(from_attributes=True)


class Write(BaseModel):
    """A request body; unknown fields are errors.

    Objects may be sent back as they were read: the fields of `shown_as` that this body doesn't have are read-only, and
    are ignored.
    """

    model_config = ConfigDict(extra="forbid")

    shown_as: ClassVar[type[Read] | None] = None
    """The response body that shows what this body writes."""

    @model_validator(mode="before")
    @classmethod
    def _without_read_only(cls, body: object) -> object:
        if not isinstance(body, dict):
            return body
        fields = cls.rename_aliases(dict(cast(dict[str, Any], body)))
        shown = _shown_names(cls.shown_as)
        for first, *others in _accepted_names(cls):
            # Responses show some fields under two names.
            fields = {name: value for name, value in fields.items() if name not in others or fields.get(first) != value}
        accepted = {name for names in _accepted_names(cls) for name in names}
        return {name: value for name, value in fields.items() if name in accepted or name not in shown}

    @classmethod
    def rename_aliases(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Rename fields that have an alternative name. If both names are sent, the alternative one is an error."""
        return fields

    def values(self) -> dict[str, Any]:
        """All fields, including defaults, by column name."""
        return self.model_dump()

    def sent(self) -> dict[str, Any]:
        """Only the fields that the client sent: the changes of a PUT or PATCH."""
        return self.model_dump(include=self.model_fields_set)


@cache
def _shown_names(shown_as: type[Read] | None) -> frozenset[str]:
    """The names of a response's fields."""
    if shown_as is None:
        return frozenset()
    fields = {field.serialization_alias or name for name, field in shown_as.model_fields.items()}
    return frozenset(fields | shown_as.model_computed_fields.keys())


@cache
def _accepted_names(write: type[Write]) -> Sequence[Sequence[str]]:
    """The names under which each field of a request body can be sent."""
    return [list(map(str, _choices(info.validation_alias or field))) for field, info in write.model_fields.items()]


def _choices(alias: str | AliasPath | AliasChoices) -> Sequence[str | AliasPath]:
    return alias.choices if isinstance(alias, AliasChoices) else [alias]


class QueryParameters(BaseModel):
    """The query parameters of a request; unknown parameters are ignored."""


UNSENT: Any = Field(default_factory=lambda: None)
"""The default of a PUT or PATCH field that may be missing but not null; `sent()` leaves it out if it is missing."""
