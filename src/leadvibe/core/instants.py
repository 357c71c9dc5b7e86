"""Instants: one function turns text into a time, for JSON and CSV alike, and one writes it."""

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = datetime.min.replace(tzinfo=UTC) + MICROSECOND
LAST = datetime.max.replace(tzinfo=UTC) - MICROSECOND

RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6})\d*)?(?:([Zz])|([+-]\d{2}:\d{2}))",
    re.ASCII,
)


def parse_instant(text: str) -> datetime:
    """The instant an RFC 3339 text names, in UTC, truncated to the microsecond; ValueError if it names none."""
    match = RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("must be an RFC 3339 time with a zone, like 2025-08-15T12:00:00Z")
    date, clock, fraction, _, offset = match.groups()
    if clock.endswith(":60"):  # a leap second, which no calendar of ours has, is its minute's last microsecond
        clock, fraction = f"{clock[:-2]}59", "999999"
    try:
        instant = datetime.fromisoformat(f"{date}T{clock}.{(fraction or '0').ljust(6, '0')}{offset or '+00:00'}")
        # The calendar's very first and last microsecond, which other languages use for "no time", PostgreSQL's driver
        # takes for minus and plus infinity.
        return min(max(instant.astimezone(UTC), FIRST), LAST)
    except (ValueError, OverflowError):
        raise ValueError("must be a time that exists, like 2025-08-15T12:00:00Z") from None


def show_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with `Z`; the fraction only where there is one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def micros(instant: datetime) -> int:
    """Microseconds since the Unix epoch."""
    return (instant - EPOCH) // MICROSECOND


def from_micros(value: int) -> datetime:
    return EPOCH + timedelta(microseconds=value)


LAST_MICROS = micros(LAST)


def due_at(value: int | None) -> datetime | None:
    """The instant at which something falls due; None for never, and for what no calendar reaches."""
    return None if value is None or value > LAST_MICROS else from_micros(value)
