"""Figures as the API shows them."""

from datetime import date
from typing import Literal

from pydantic import Field, computed_field

from leadvibe.core.http.schemas import PlainText, Read, Time, Write
from leadvibe.core.ranges import Range

FEW = 10
MOST = 500


class TopLeadRead(Read):
    lead_id: str
    score: int
    last_event_at: Time | None


class ScoreGainRead(TopLeadRead):
    """`score_gain` is the score now, less what it was when the range began."""

    score_gain: int

    @computed_field
    @property
    def delta(self) -> int:
        return self.score_gain


class TopQuery(Write):
    limit: int = Field(default=FEW, ge=1, le=MOST, description="How many leads at most")


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
    """`by_type` and `daily_counts` each sum up to `totals.events`."""

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
    """`total_leads` are those that have events."""

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
    """`overage` tells that there were more than `monthly_limit`, which is null where nobody set one."""

    org_id: str
    org_name: str
    monthly_events: int
    monthly_limit: int | None
    overage: bool


class StatisticsQuery(Write):
    range: Range = Field(default=Range.ALL, description="The time whose most frequent types are told")


class TrafficQuery(Write):
    range: Range = Range.ALL
    event_type: PlainText | None = None


class GainsQuery(TopQuery):
    range: Literal["all", "today", "last_24h", "last_7d", "last_30d", "last_90d"] = "last_7d"
