"""The response body and the filter of a lead's activity."""

from typing import Annotated, Literal

from pydantic import Field

from leadvibe.core.http.merged_from import MergedFrom
from leadvibe.core.http.paging import MAX_LIMIT
from leadvibe.core.http.periods import PeriodFilter, PeriodRange
from leadvibe.core.http.schemas import Read
from leadvibe.events.schemas import EventRead
from leadvibe.orders.schemas import OrderRead

MAX_LATENCY_MILLISECONDS = 2**53


class ActivityFilter(PeriodFilter):
    range: PeriodRange = Field(default=PeriodRange.LAST_7D, description="Events and orders in this range of time")
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
