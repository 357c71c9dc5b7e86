"""The request and response bodies of the ingest operations. Their OpenAPI schemas are derived from these types."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from leadvibe.identity.aliases import MAX_VALUE_LENGTH, AliasKind

MAX_ALIASES: Final = 50
MAX_REPORTED_ROWS: Final = 100
MAX_REPORTED_WARNINGS: Final = 100


def documented(description: str, *examples: Any, **schema: Any) -> Meta:
    """Documentation for the OpenAPI only. `validation.accept` checks the limits, so that its errors name the field."""
    return Meta(description=description, examples=list(examples) or None, extra_json_schema=schema or None)


Line = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 200})]
Kind = Annotated[AliasKind, Meta(extra_json_schema={"type": "string"})]
Value = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_VALUE_LENGTH})]
Count = Annotated[int, Meta(extra_json_schema={"minimum": 0})]


class SentAlias(msgspec.Struct):
    """An identifier of a lead."""

    alias_kind: Kind
    raw_value: Annotated[Value, documented("The identifier in any spelling", "ada@example.com")]


class SentEvent(msgspec.Struct):
    """An event to ingest. Other fields are ignored, including `unit_id`: the caller determines the OU."""

    event_type: Annotated[Line, documented("What happened", "page_view")]
    lead_id: Annotated[
        Line | None,
        documented("The lead that the event belongs to. An unknown lead is created.", "lead-1"),
    ] = None
    aliases: Annotated[
        Annotated[list[SentAlias], Meta(extra_json_schema={"maxItems": MAX_ALIASES})] | None,
        documented(
            "Identifiers of the lead. Required if there is no `lead_id`. Otherwise they are attached to that lead."
        ),
    ] = None
    alias_kind: Annotated[Kind | None, documented("Use `aliases` instead.", deprecated=True)] = None
    alias: Annotated[Value | None, documented("Use `aliases` instead.", deprecated=True)] = None
    timestamp: Annotated[
        Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None,
        documented(
            "When the event happened, as an RFC 3339 time with a zone. Default: the time of receipt.",
            "2025-08-15T12:00:00Z",
        ),
    ] = None
    metadata: Annotated[
        msgspec.Raw,
        documented(
            "Any JSON object of at most 100 KB. Its `channel`, else its `source`, is the event's channel.",
            type=["object", "null"],
            additionalProperties=True,
        ),
    ] = msgspec.field(default_factory=msgspec.Raw)
    """Empty if it was not sent."""
    idempotency_key: Annotated[
        Line | None, documented("A second event with the same key has no effect.", "order-7")
    ] = None
    event_id: Annotated[
        Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 200})] | int | None,
        documented(
            "Your own id of the event. It is the idempotency key if no key is sent. The id of an event of the OU, as "
            "in an export, makes this a repeat of that event.",
            "visit-42",
        ),
    ] = None


_NOT_SENT: Final = msgspec.Raw()


class StrictEvent(SentEvent, forbid_unknown_fields=True):
    """Decodes an event without unknown fields. The other fields of a stored event are known, and ignored."""

    # A shared default is faster than a factory, and Raw skips the value.
    unit_id: msgspec.Raw = _NOT_SENT
    id: msgspec.Raw = _NOT_SENT
    org_id: msgspec.Raw = _NOT_SENT
    created_at: msgspec.Raw = _NOT_SENT
    received_at: msgspec.Raw = _NOT_SENT
    channel: msgspec.Raw = _NOT_SENT
    suppression_reason: msgspec.Raw = _NOT_SENT
    original_lead_id: msgspec.Raw = _NOT_SENT


Warnings = Annotated[list[str], documented("Parts of the event that were left out, each with its field")]


class IngestResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The event was stored. It is scored a moment later."""

    message: Annotated[str, documented("A constant text", "event ingested")]
    metadata: Annotated[msgspec.Raw, documented("The metadata as stored", type="object", additionalProperties=True)]
    event_id: Annotated[str, documented("The id of the event", "ev_0198aab0c6a47d4b8f3b1c0f5e2d7a91")]
    warnings: Warnings = []
    repeated: Annotated[
        bool, documented("Only if true: the event repeats the event with this id, and changes nothing")
    ] = False


class RejectedEvent(msgspec.Struct, frozen=True):
    """An event of a batch that is not valid."""

    index: Annotated[Count, documented("The position of the event in the batch, from 0")]
    error: Annotated[str, documented("The field and what is wrong with it", "event_type: is required")]


class EventWarning(msgspec.Struct, frozen=True):
    """A part of a stored event of a batch was left out."""

    index: Annotated[Count, documented("The position of the event in the batch, from 0")]
    warning: Annotated[str, documented("The field and why it was left out")]


class BatchResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The valid events of the batch were stored."""

    accepted: Annotated[Count, documented("The number of valid events, repeated ones included")]
    rejected: Annotated[Count, documented("The number of events that are not valid")]
    errors: list[RejectedEvent]
    warnings: Annotated[
        list[EventWarning],
        documented("The first parts of stored events that were left out", maxItems=MAX_REPORTED_WARNINGS),
    ] = []
    warning_count: Annotated[Count, documented("The number of parts that were left out")] = 0
    repeated: Annotated[Count, documented("The number of events that repeat an earlier one and change nothing")] = 0


class RejectedBatch(msgspec.Struct, frozen=True):
    """A problem document for a batch without a valid event. Nothing was stored."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    accepted: Count
    rejected: Count
    errors: list[RejectedEvent]


class RejectedRow(msgspec.Struct, frozen=True):
    """A row of an imported file that is not valid."""

    line: Annotated[Count, documented("The number of the row's first line in the file, from 1")]
    error: Annotated[str, documented("The column and what is wrong with it", "timestamp: must not be empty")]


class RowWarning(msgspec.Struct, frozen=True):
    """A cell of a stored row was left out. On the line of the header: all cells of a column."""

    line: Annotated[Count, documented("The number of the row's first line in the file, from 1")]
    warning: Annotated[str, documented("The column and why its value was left out")]


class ImportResult(msgspec.Struct, omit_defaults=True):
    """The valid rows of the file were stored."""

    message: Annotated[str, documented("A constant text", "import queued")]
    imported: Annotated[Count, documented("The number of valid rows, repeated ones included")]
    errors: Annotated[Count, documented("The number of rows that are not valid")]
    error_rows: Annotated[list[RejectedRow], documented("The first of these rows", maxItems=MAX_REPORTED_ROWS)]
    repeated: Annotated[Count, documented("The number of rows that repeat an earlier event and change nothing")] = 0
    ignored_columns: Annotated[list[str], documented("The first columns that the import doesn't read", ["color"])] = []
    warnings: Annotated[
        list[RowWarning],
        documented("The first values that were left out, and columns without a name", maxItems=MAX_REPORTED_ROWS),
    ] = []


class RejectedImport(msgspec.Struct, frozen=True):
    """A problem document for a file without a valid row. Nothing was stored."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    imported: Count
    errors: Count
    error_rows: list[RejectedRow]
    ignored_columns: list[str]
    warnings: list[RowWarning]
