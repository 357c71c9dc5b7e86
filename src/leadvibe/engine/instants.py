"""Instants are whole microseconds since 1970 in UTC; durations are microseconds too."""

from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

BEGINNING = -(2**63)
"""Before every instant."""
END = 2**63 - 1
"""After every instant."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_instant(moment: datetime) -> int:
    """The instant of an aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(to_instant: int) -> datetime:
    """The aware datetime, in UTC, of an instant."""
    return _EPOCH + timedelta(microseconds=to_instant)


def parsed(text: str | None, default: int) -> int:
    """The instant that an RFC 3339 text names."""
    return default if text is None else to_instant(datetime.fromisoformat(text))
