"""The query parameters `range`, `start` and `end`, which limit a list to a period."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from leadvibe.core.http.problems import Invalid
from leadvibe.core.http.schemas import QueryTime
from leadvibe.core.ranges import Range, TimeSpan


class PeriodRange(StrEnum):
    ALL = "all"
    TODAY = "today"
    YESTERDAY = "yesterday"
    LAST_24H = "last_24h"
    LAST_7D = "last_7d"
    LAST_30D = "last_30d"
    LAST_90D = "last_90d"
    CUSTOM = "custom"


class PeriodFilter(BaseModel):
    range: PeriodRange = Field(default=PeriodRange.ALL, description="Only what happened in this range of time")
    start: QueryTime | None = Field(default=None, description="Start of the period, inclusive. Overrides `range`.")
    end: QueryTime | None = Field(default=None, description="End of the period, exclusive. Overrides `range`.")

    def window(self, now: datetime) -> TimeSpan:
        """The period between `start` and `end` if one of them is sent, else the range.

        Raises Invalid if the range is `custom` without `start` or `end`, or if the period is empty.
        """
        if self.range is PeriodRange.CUSTOM:
            for name, sent in (("start", self.start), ("end", self.end)):
                if sent is None:
                    raise Invalid.field(name, "is required with range=custom")
        elif self.start is None and self.end is None:
            return Range(self.range).window(now)
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise Invalid.field("end", "must be later than start")
        return TimeSpan(self.start, self.end)
