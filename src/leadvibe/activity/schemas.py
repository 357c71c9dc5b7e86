"""What happened around one lead, and what that is narrowed by."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from leadvibe.core.http.paging import MAX_LIMIT
from leadvibe.core.http.problems import Invalid
from leadvibe.core.http.schemas import Read, Time
from leadvibe.core.ranges import Range, TimeSpan
from leadvibe.events.schemas import EventRead
from leadvibe.orders.schemas import OrderRead

MOST_MILLISECONDS = 2**53


class ActivityRange(StrEnum):
    ALL = "all"
    TODAY = "today"
    YESTERDAY = "yesterday"
    LAST_24H = "last_24h"
    LAST_7D = "last_7d"
    LAST_30D = "last_30d"
    LAST_90D = "last_90d"
    CUSTOM = "custom"


class ActivityFilter(BaseModel):
    range: ActivityRange = Field(default=ActivityRange.LAST_7D, description="When it happened: events and orders")
    start: Time | None = Field(default=None, description="With the range `custom`: from this instant on")
    end: Time | None = Field(default=None, description="With the range `custom`: before this instant")
    channel: Literal["all", "web", "email", "slack", "webinar", "crm", "system"] = Field(
        default="all", description="Of events only"
    )
    min_score: int | None = Field(
        default=None, alias="minScore", ge=0, lt=2**63, description="Events that brought at least so many points"
    )
    max_latency: int | None = Field(
        default=None,
        alias="maxLatency",
        ge=1,
        le=MOST_MILLISECONDS,
        description="Events that were scored within so many milliseconds of their receipt",
    )
    has_delta: Literal["1", "true", "0", "false"] = Field(
        default="false", alias="hasDelta", description="`1` or `true`: only events that changed the score"
    )
    limit: int = Field(default=MAX_LIMIT, ge=1, le=MAX_LIMIT, description="Rows of each list, the newest")

    def window(self, now: datetime) -> TimeSpan:
        """Invalid where a custom range lacks an end, or another one has some."""
        if self.range is not ActivityRange.CUSTOM:
            for name, sent in (("start", self.start), ("end", self.end)):
                if sent is not None:
                    raise Invalid.field(name, "goes with range=custom only")
            return Range(self.range).window(now)
        if self.start is None:
            raise Invalid.field("start", "is needed with range=custom")
        if self.end is None:
            raise Invalid.field("end", "is needed with range=custom")
        if self.end <= self.start:
            raise Invalid.field("end", "must be later than start")
        return TimeSpan(self.start, self.end)


class ActivityEventRead(EventRead):
    """An event with what it did to the score, or something that happened to the score on channel `system`."""

    type: Literal["event"]
    score_delta: int = Field(description="What it moved the primary ruleset's total by")
    latency_ms: int | None = Field(description="From its receipt until it was scored; null on channel `system`")


class ActivityRead(Read):
    events: list[ActivityEventRead]
    orders: list[OrderRead]
    timeline: list[Annotated[ActivityEventRead | OrderRead, Field(discriminator="type")]]
