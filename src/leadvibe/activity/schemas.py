"""The response body and the filter of a lead's activity."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from leadvibe.core.http.merged_from import MergedFrom
from leadvibe.core.http.paging import MAX_LIMIT
from leadvibe.core.http.problems import Invalid
from leadvibe.core.http.schemas import QueryTime, Read
from leadvibe.core.ranges import Range, TimeSpan
from leadvibe.events.schemas import EventRead
from leadvibe.orders.schemas import OrderRead

MAX_LATENCY_MILLISECONDS = 2**53


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
    range: ActivityRange = Field(default=ActivityRange.LAST_7D, description="Events and orders in this range of time")
    start: QueryTime | None = Field(default=None, description="Start of the period, inclusive. Overrides `range`.")
    end: QueryTime | None = Field(default=None, description="End of the period, exclusive. Overrides `range`.")
    channel: Literal["all", "web", "email", "slack", "webinar", "crm", "system"] = Field(
        default="all", description="Events with this channel; does not filter orders"
    )
    min_score: int | None = Field(
        default=None,
        alias="minScore",
        ge=0,
        lt=2**63,
        description="Events that changed the score by at least this many points; does not filter orders",
    )
    max_latency: int | None = Field(
        default=None,
        alias="maxLatency",
        ge=1,
        le=MAX_LATENCY_MILLISECONDS,
        description="Events scored within this many milliseconds of their receipt; does not filter orders",
    )
    has_delta: Literal["1", "true", "0", "false"] = Field(
        default="false",
        alias="hasDelta",
        description="`1` or `true`: only events that changed the score; does not filter orders",
    )
    limit: int = Field(default=MAX_LIMIT, ge=1, le=MAX_LIMIT, description="Maximum number of rows in each list")

    def window(self, now: datetime) -> TimeSpan:
        """The period between `start` and `end` if one of them is sent, else the range.

        Raises Invalid if the range is `custom` without `start` or `end`, or if the period is empty.
        """
        if self.range is ActivityRange.CUSTOM:
            for name, sent in (("start", self.start), ("end", self.end)):
                if sent is None:
                    raise Invalid.field(name, "is required with range=custom")
        elif self.start is None and self.end is None:
            return Range(self.range).window(now)
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise Invalid.field("end", "must be later than start")
        return TimeSpan(self.start, self.end)


class ActivityEventRead(EventRead):
    """An event, or an entry on channel `system`, with its effect on the score."""

    type: Literal["event"]
    score_delta: int = Field(description="Change of the total in the primary ruleset")
    latency_ms: int | None = Field(description="Milliseconds from receipt to scoring; null on channel `system`")


class ActivityRead(Read):
    events: list[ActivityEventRead]
    orders: list[OrderRead]
    timeline: list[Annotated[ActivityEventRead | OrderRead, Field(discriminator="type")]]
    merged_from: MergedFrom = None
