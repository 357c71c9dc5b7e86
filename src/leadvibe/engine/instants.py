"""Instants and durations. Both are whole microseconds: instants count from 1970 in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Final

Instant = int
"""Microseconds since 1970-01-01T00:00:00Z."""
Microseconds = int
"""A duration."""

MILLISECOND: Final[Microseconds] = 1_000
SECOND: Final[Microseconds] = 1_000_000
MINUTE: Final[Microseconds] = 60 * SECOND
HOUR: Final[Microseconds] = 60 * MINUTE
DAY: Final[Microseconds] = 24 * HOUR
WEEK: Final[Microseconds] = 7 * DAY

BEGINNING: Final[Instant] = -(2**63)
"""Before every instant."""
END: Final[Instant] = 2**63 - 1
"""After every instant."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_instant(moment: datetime) -> Instant:
    """Convert an aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def parse_instant(text: str | None, default: Instant) -> Instant:
    """Parse an RFC 3339 time; None gives the default."""
    return default if text is None else to_instant(datetime.fromisoformat(text))
