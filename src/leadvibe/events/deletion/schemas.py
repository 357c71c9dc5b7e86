"""Which events to delete, and how many were."""

from typing import Annotated

from pydantic import AliasChoices, Field

from leadvibe.core.http.schemas import PlainText, Read, Write

MOST_EVENTS = 1_000


class EventBatch(Write):
    ids: Annotated[list[PlainText], Field(max_length=MOST_EVENTS)] = Field(
        validation_alias=AliasChoices("ids", "event_ids")
    )


class EventsDeleted(Read):
    deleted: int
