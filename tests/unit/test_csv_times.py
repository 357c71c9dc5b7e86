"""Times without a time zone are local times of a named zone."""

import pytest

from leadvibe.core.http.problems import Invalid
from leadvibe.ingest.csv_times import read_zone, with_zone


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2025-08-15", "Europe/Berlin", "2025-08-14T22:00:00Z"),
        ("2025-01-15 12:00", "Europe/Berlin", "2025-01-15T11:00:00Z"),
        ("2025-08-15T12:00:00.5", "America/New_York", "2025-08-15T16:00:00.500000Z"),
        ("2025-08-15 12:00:00,1234567", "UTC", "2025-08-15T12:00:00.123456Z"),
        pytest.param("2025-03-30 02:30:00", "Europe/Berlin", "2025-03-30T01:30:00Z", id="skipped"),
        pytest.param("2025-10-26 02:30:00", "Europe/Berlin", "2025-10-26T00:30:00Z", id="shown twice"),
        pytest.param("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", id="midnight is skipped"),
        ("2025-08-15T12:00:00+02:00", "America/New_York", "2025-08-15T12:00:00+02:00"),
    ],
)
def test_a_time_is_read_in_the_zone(text: str, zone: str, instant: str) -> None:
    assert with_zone(text, read_zone(zone)) == instant


@pytest.mark.parametrize("text", ["2025-02-30", "2025-08-15 25:00", "0001-01-01"])
def test_a_time_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="existing"):
        with_zone(text, read_zone("Europe/Berlin"))


def test_without_a_zone_a_local_time_is_refused() -> None:
    with pytest.raises(Invalid, match="no time zone"):
        with_zone("2025-08-15 12:00:00", None)
