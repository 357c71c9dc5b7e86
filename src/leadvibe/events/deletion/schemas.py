"""The request and response bodies of the deletion of events."""

from typing import Annotated

from pydantic import AliasChoices, Field

from leadvibe.core.http.schemas import PlainText, Read, Write

MAX_EVENTS = 1_000


class EventBatch(Write):
    ids: Annotated[list[PlainText], Field(max_length=MAX_EVENTS)] = Field(
        validation_alias=AliasChoices("ids", "event_ids"), description=f"At most {MAX_EVENTS:,} event ids"
    )


class EventsDeleted(Read):
    deleted: int
    warnings: list[str] = Field(
        default_factory=list[str],
        exclude_if=lambda warnings: not warnings,
        description="Ids that belong to other rows of a timeline, and to no event; otherwise absent",
    )
