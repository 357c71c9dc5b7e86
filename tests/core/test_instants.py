"""Times are accepted with any stated zone."""

import pytest

from leadvibe.core.instants import parse_instant, restore_plus_sign, show_instant

ZONES = [
    ("2025-08-15T12:00:00Z", "2025-08-15T12:00:00Z"),
    ("2025-08-15t12:00:00z", "2025-08-15T12:00:00Z"),
    ("2025-08-15 12:00:00Z", "2025-08-15T12:00:00Z"),
    ("2025-08-15T12:00:00 Z", "2025-08-15T12:00:00Z"),
    ("2025-08-15 12:00:00 UTC", "2025-08-15T12:00:00Z"),
    ("2025-08-15 12:00:00 GMT", "2025-08-15T12:00:00Z"),
    ("2025-08-15 12:00:00+00", "2025-08-15T12:00:00Z"),
    ("2025-08-15 12:00:00 +0000", "2025-08-15T12:00:00Z"),
    ("2025-08-15T12:00:00+02:00", "2025-08-15T10:00:00Z"),
    ("2025-08-15T12:00:00+0200", "2025-08-15T10:00:00Z"),
    ("2025-08-15T12:00:00+02", "2025-08-15T10:00:00Z"),
    ("2025-08-15T12:00:00-05", "2025-08-15T17:00:00Z"),
    ("2025-08-15T12:00:00-0530", "2025-08-15T17:30:00Z"),
    ("2025-08-15 12:00:00.123456789 +05:30", "2025-08-15T06:30:00.123456Z"),
]


@pytest.mark.parametrize(("text", "instant"), ZONES)
def test_any_stated_zone_is_accepted(text: str, instant: str) -> None:
    assert show_instant(parse_instant(text)) == instant


@pytest.mark.parametrize(("text", "instant"), ZONES)
def test_the_plus_sign_of_an_offset_may_arrive_as_a_blank(text: str, instant: str) -> None:
    assert show_instant(parse_instant(restore_plus_sign(text.replace("+", " ")))) == instant


@pytest.mark.parametrize(
    "text",
    [
        "2025-08-15T12:00:00",
        "2025-08-15 12:00:00",
        "2025-08-15",
        "2025-08-15T12:00:00 02:00",
        "2025-08-15T12:00:00+2",
        "2025-08-15T12:00:00+020",
        "2025-08-15T12:00:00+25:00",
        "2025-08-15T12:00:00 CET",
        "2025-08-15T12:00:00Z+02:00",
        "2025-08-15T12:00:00  Z",
        "2025-02-30T12:00:00Z",
    ],
)
def test_a_time_without_a_clear_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an"):
        parse_instant(text)
