"""The named time ranges by which lists are filtered; days are UTC days."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple


class TimeSpan(NamedTuple):
    """`since` <= time < `until`; None means unbounded."""

    since: datetime | None = None
    until: datetime | None = None


class Range(StrEnum):
    ALL = "all"
    TODAY = "today"
    YESTERDAY = "yesterday"
    LAST_24H = "last_24h"
    LAST_7D = "last_7d"
    LAST_30D = "last_30d"
    LAST_90D = "last_90d"

    def window(self, now: datetime) -> TimeSpan:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        windows = {
            Range.ALL: TimeSpan(),
            Range.TODAY: TimeSpan(midnight, midnight + timedelta(days=1)),
            Range.YESTERDAY: TimeSpan(midnight - timedelta(days=1), midnight),
            Range.LAST_24H: TimeSpan(now - timedelta(hours=24)),
            Range.LAST_7D: TimeSpan(now - timedelta(days=7)),
            Range.LAST_30D: TimeSpan(now - timedelta(days=30)),
            Range.LAST_90D: TimeSpan(now - timedelta(days=90)),
        }
        return windows[self]
