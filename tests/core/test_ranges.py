from datetime import UTC, datetime, timedelta

import pytest

from leadvibe.core.ranges import Range, TimeSpan

NOW = datetime(2025, 3, 1, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("all", TimeSpan()),
        ("today", TimeSpan(datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 2, tzinfo=UTC))),
        ("yesterday", TimeSpan(datetime(2025, 2, 28, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC))),
        ("last_24h", TimeSpan(NOW - timedelta(hours=24))),
        ("last_7d", TimeSpan(NOW - timedelta(days=7))),
        ("last_30d", TimeSpan(NOW - timedelta(days=30))),
        ("last_90d", TimeSpan(NOW - timedelta(days=90))),
    ],
)
def test_a_range_is_a_window_of_time(name: str, window: TimeSpan) -> None:
    assert Range(name).window(NOW) == window
