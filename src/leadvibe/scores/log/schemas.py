"""The filter, the cursor and the response of the score log."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from leadvibe.core.http.periods import PeriodFilter
from leadvibe.core.http.schemas import EventId, PlainText, Read, Time, parsable_by
from leadvibe.core.instants import from_micros, micros
from leadvibe.scores.schemas import AwardRead

LineKind = Literal["event", "decay", "adjustment", "reset", "lift"]
MAX_SMALL = 2**15 - 1
MAX_VERSION = 2**31 - 1
CURSOR_ERROR = "must be a value from the Link header of a page"


class LogCursor(NamedTuple):
    """The last line of a page: its instant, and its place in the canonical order of that instant."""

    occurred_at: datetime
    rank: int
    name: str
    digest: bytes
    key: str
    version: int
    event_id: UUID
    ruleset_id: str

    def __str__(self) -> str:
        at, rank, name, digest, key, version, event_id, ruleset_id = self
        fields = [micros(at), rank, name, digest.hex(), key, version, event_id.hex, ruleset_id]
        return urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> "LogCursor":
        try:
            fields = _fields.validate_json(urlsafe_b64decode(text + "=" * (-len(text) % 4)), strict=True)
            at, rank, name, digest, key, version, event_id, ruleset_id = fields
            return cls(from_micros(at), rank, name, bytes.fromhex(digest), key, version, UUID(hex=event_id), ruleset_id)
        except (ValidationError, ValueError, OverflowError):
            raise ValueError(CURSOR_ERROR) from None


_fields: TypeAdapter[tuple[int, int, str, str, str, int, str, str]] = TypeAdapter(
    tuple[
        int,
        Annotated[int, Field(ge=0, le=MAX_SMALL)],
        PlainText,
        PlainText,
        PlainText,
        Annotated[int, Field(ge=0, le=MAX_VERSION)],
        PlainText,
        PlainText,
    ]
)


def _split_at_commas(values: list[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",")]


class ScoreLogFilter(PeriodFilter):
    """Which lines of the score log to list."""

    ruleset_id: PlainText | None = Field(default=None, description="By default all rulesets")
    kind: Annotated[list[LineKind], BeforeValidator(_split_at_commas)] = Field(
        default_factory=list[LineKind],
        max_length=50,
        description="Only lines of this kind. It can be repeated, or be a list with commas.",
    )
    after: Annotated[str, parsable_by(LogCursor.read)] | None = Field(
        default=None,
        max_length=10_000,
        description="The line after which this page starts, from the Link header. `page` is then only a page number.",
    )

    @property
    def cursor(self) -> LogCursor | None:
        return None if self.after is None else LogCursor.read(self.after)


class LineAwardRead(AwardRead):
    filter_label: str | None = Field(
        default=None,
        exclude_if=lambda label: label is None,
        description="The rule's attribute filters in words, as they were when the event was scored",
    )


class ScoreLogLineRead(Read):
    """One line of a lead's ledger: how an event, decay step, adjustment, reset or lift changed one total.

    `points` is `base` times `multiplier`. `applied` is the change of the total, which differs from `points` if the
    floor applied. `total_after` is the `total_after` of the ruleset's previous line plus `applied`. A lift sets a
    negative total to zero after negative scores were switched off.
    """

    id: str
    lead_id: str
    kind: LineKind
    occurred_at: Time
    recorded_at: Time = Field(description="When the server computed the line")
    ruleset_id: str
    ruleset_name: str | None = Field(description="null if the ruleset was deleted")
    event_id: EventId | None = Field(description="null for lines without an event")
    event_type: str | None
    decay_id: str | None = Field(description="The decay rule of a decay step")
    rules: list[LineAwardRead] = Field(description="The rules that paid for the event")
    base: int
    multiplier: float = Field(description="The surge multiplier; 1 without a surge")
    points: int
    applied: int
    total_after: int = Field(description="The lead's total in this ruleset after this line")
    reason: str | None = Field(description="The reason of an adjustment")
    author: str | None = Field(
        description="Who adjusted or reset the score: a member's e-mail address, or a credential's name"
    )
    author_id: str | None = Field(description="The id of that member or credential")
