"""Query parameters and response bodies of analytics."""

from datetime import date
from typing import Literal

from pydantic import Field, computed_field

from leadvibe.core.http.schemas import PlainText, QueryParameters, Read, Time
from leadvibe.core.ranges import Range

DEFAULT_LIMIT = 10
MAX_LIMIT = 500


class TopLeadRead(Read):
    lead_id: str
    score: int
    last_event_at: Time | None


class ScoreGainRead(TopLeadRead):
    """`score_gain` is the current score minus the score at the start of the range."""

    score_gain: int

    @computed_field
    @property
    def delta(self) -> int:
        return self.score_gain


class TopQuery(QueryParameters):
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Maximum number of leads")


class DailyCountRead(Read):
    date: date
    count: int


class TypeCountRead(Read):
    event_type: str
    count: int


class TotalsRead(Read):
    events: int
    leads: int


class TrafficRead(Read):
    """The counts in `by_type`, and those in `daily_counts`, add up to `totals.events`."""

    totals: TotalsRead
    by_type: dict[str, int]
    daily_counts: list[DailyCountRead]

    @computed_field
    @property
    def events_by_type(self) -> dict[str, int]:
        return self.by_type

    @computed_field
    @property
    def total_events(self) -> int:
        return self.totals.events

    @computed_field
    @property
    def unique_leads(self) -> int:
        return self.totals.leads


class LastDayRead(Read):
    total: int = Field(validation_alias="events")
    unique_leads: int = Field(validation_alias="leads")


class StatisticsRead(Read):
    """`total_leads` is the number of leads that have events."""

    total_events: int
    total_leads: int
    events_today: int
    events_this_week: int
    last_24h: LastDayRead
    top_events: list[TypeCountRead]

    @computed_field
    @property
    def top_event_types(self) -> list[TypeCountRead]:
        return self.top_events


class UsageRead(Read):
    """`overage` is true if `monthly_events` exceeds `monthly_limit`, which is null if there is no limit."""

    org_id: str
    org_name: str
    monthly_events: int
    unit_monthly_events: int | None = Field(description="The part of the active OU; null if no OU is active")
    monthly_limit: int | None
    overage: bool


class StatisticsQuery(QueryParameters):
    range: Range = Field(default=Range.ALL, description="The range of time of `top_events`")


class TrafficQuery(QueryParameters):
    range: Range = Field(default=Range.ALL, description="Events in this range of time")
    event_type: PlainText | None = Field(default=None, description="Events of this type")


class GainsQuery(TopQuery):
    range: Literal["all", "today", "last_24h", "last_7d", "last_30d", "last_90d"] = Field(
        default="last_7d", description="Score changes in this range of time"
    )
