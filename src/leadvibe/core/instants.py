"""Parses and formats instants, the same way for JSON and CSV."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = datetime.min.replace(tzinfo=UTC) + MICROSECOND
LAST = datetime.max.replace(tzinfo=UTC) - MICROSECOND

_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6})\d*)? ?(?:(Z|UTC|GMT)|([+-]\d{2})(?::?(\d{2}))?)",
    re.ASCII | re.IGNORECASE,
)
_UNSIGNED_OFFSET = re.compile(r"(?<=\d) {1,2}(?=\d{2}(?::?\d{2})?\Z)", re.ASCII)


def parse_instant(text: str) -> datetime:
    """A time with any stated zone as an instant in UTC, truncated to the microsecond; ValueError if it is not valid.

    Accepts RFC 3339 and the forms that databases and spreadsheets write, such as `2025-08-15 12:00:00+00`.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError("must be an RFC 3339 time with a time zone, like 2025-08-15T12:00:00Z")
    date, clock, fraction, _, hours, minutes = match.groups()
    if clock.endswith(":60"):  # datetime has no leap seconds: use the last microsecond of the minute
        clock, fraction = f"{clock[:-2]}59", "999999"
    try:
        instant = datetime.fromisoformat(
            f"{date}T{clock}.{(fraction or '0').ljust(6, '0')}{hours or '+00'}:{minutes or '00'}"
        )
        # asyncpg stores the calendar's first and last microsecond as -infinity and infinity. Other languages use them
        # for "no time".
        return min(max(instant.astimezone(UTC), FIRST), LAST)
    except (ValueError, OverflowError):
        raise ValueError("must be an existing date and time, like 2025-08-15T12:00:00Z") from None


def restore_plus_sign(text: str) -> str:
    """A time from a query string, where an unencoded `+` arrives as a blank."""
    return _UNSIGNED_OFFSET.sub("+", text)


def show_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with `Z`; the fraction only if it is not zero."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def micros(instant: datetime) -> int:
    """Microseconds since the Unix epoch."""
    return (instant - EPOCH) // MICROSECOND


@lru_cache(8_192)
def from_micros(value: int) -> datetime:
    """Cached, because the rows of an event and of its ledger entries contain the same few instants."""
    return EPOCH + timedelta(microseconds=value)


LAST_MICROS = micros(LAST)


def due_at(value: int | None) -> datetime | None:
    """The instant at these microseconds; None for None and for instants after the year 9999."""
    return None if value is None or value > LAST_MICROS else from_micros(value)
