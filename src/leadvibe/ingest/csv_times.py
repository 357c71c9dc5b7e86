"""Reads times without a time zone as local times of a zone that the user names."""

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from leadvibe.core.http.problems import Invalid
from leadvibe.core.instants import show_instant

NO_ZONE: Final = (
    "has no time zone: write it like 2025-08-15T12:00:00Z, or name the zone of the file with the option `timezone`"
)
_LOCAL = re.compile(r"(\d{4}-\d{2}-\d{2})(?:(?:[Tt]| +)(\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?", re.ASCII)


def read_zone(name: str) -> ZoneInfo:
    """The zone with this name of the IANA database. Raises Invalid."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise Invalid.field(
            "timezone", "must be the name of a time zone, like Europe/Berlin, America/New_York or UTC"
        ) from None


def with_zone(text: str, zone: ZoneInfo | None) -> str:
    """The time as an RFC 3339 text, if it has no time zone; otherwise the text as it is. Raises Invalid.

    A date is its first instant. A time that the clocks skip counts with the offset before the change. A time that
    they show twice is the first of the two.
    """
    match = _LOCAL.fullmatch(text)
    if match is None:
        return text
    if zone is None:
        raise Invalid.field("timestamp", NO_ZONE)
    date, clock, seconds, fraction = match.groups()
    try:
        local = datetime.fromisoformat(
            f"{date}T{clock or '00:00'}:{seconds or '00'}.{(fraction or '0')[:6].ljust(6, '0')}"
        )
        return show_instant(local.replace(tzinfo=zone).astimezone(UTC))
    except (ValueError, OverflowError):
        raise Invalid.field("timestamp", "must be an existing date and time, like 2025-08-15 12:00:00") from None
