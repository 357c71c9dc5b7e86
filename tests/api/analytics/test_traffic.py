"""Event statistics of an OU, and the usage of an organization."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadvibe.config import settings
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def days_ago(days: int) -> str:
    """The first instant of that day, UTC."""
    return (MIDNIGHT - timedelta(days=days)).isoformat()


async def statistics(caller: Caller, path: str, **params: Any) -> dict[str, Any]:
    response = await caller.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
async def happened(make: Make, drain: Drain) -> None:
    await make.events(
        {"lead_id": "a", "event_type": "view", "timestamp": days_ago(0)},
        {"lead_id": "a", "event_type": "view", "timestamp": days_ago(1)},
        {"lead_id": "b", "event_type": "view", "timestamp": days_ago(1)},
        {"lead_id": "b", "event_type": "demo", "timestamp": days_ago(1)},
        {"lead_id": "c", "event_type": "demo", "timestamp": days_ago(40)},
    )
    await drain()


@pytest.mark.usefixtures("happened")
async def test_events_are_counted_by_type_and_by_day_newest_day_first(client: Caller) -> None:
    days = [
        {"date": days_ago(0)[:10], "count": 1},
        {"date": days_ago(1)[:10], "count": 3},
        {"date": days_ago(40)[:10], "count": 1},
    ]
    by_type = {"view": 3, "demo": 2}
    assert await statistics(client, "/events-analytics") == {
        "totals": {"events": 5, "leads": 3},
        "by_type": by_type,
        "events_by_type": by_type,
        "total_events": 5,
        "unique_leads": 3,
        "daily_counts": days,
    }


@pytest.mark.usefixtures("happened")
@pytest.mark.parametrize(
    ("params", "by_type", "leads"),
    [
        ({"range": "today"}, {"view": 1}, 1),
        ({"range": "yesterday"}, {"view": 2, "demo": 1}, 2),
        ({"range": "last_30d"}, {"view": 3, "demo": 1}, 2),
        ({"range": "last_90d", "event_type": "demo"}, {"demo": 2}, 2),
        ({"event_type": "nothing like it"}, {}, 0),
    ],
)
async def test_a_range_and_a_type_filter_the_counts(
    client: Caller, params: dict[str, str], by_type: dict[str, int], leads: int
) -> None:
    found = await statistics(client, "/events-analytics", **params)
    assert (found["by_type"], found["unique_leads"]) == (by_type, leads)
    assert sum(day["count"] for day in found["daily_counts"]) == found["total_events"] == sum(by_type.values())


@pytest.mark.usefixtures("happened")
async def test_statistics_cover_all_time_today_and_this_week(client: Caller) -> None:
    monday = MIDNIGHT.weekday() == 0
    found = await statistics(client, "/event-stats")
    assert found.pop("last_24h")["unique_leads"] in {
        1,
        2,
    }  # depending on the time of day, yesterday's midnight is included
    top = [{"event_type": "view", "count": 3}, {"event_type": "demo", "count": 2}]
    assert found == {
        "total_events": 5,
        "total_leads": 3,
        "events_today": 1,
        "events_this_week": 1 if monday else 4,
        "top_events": top,
        "top_event_types": top,
    }
    yesterday = await statistics(client, "/event-stats", range="yesterday")
    assert yesterday["top_events"] == [{"event_type": "view", "count": 2}, {"event_type": "demo", "count": 1}]
    assert yesterday["total_events"] == 5


@pytest.mark.usefixtures("happened")
async def test_hidden_types_are_excluded(client: Caller) -> None:
    await client.put("/settings/ou/event-types/view", json={"hidden": True})
    found = await statistics(client, "/events-analytics")
    assert (found["by_type"], found["unique_leads"]) == ({"demo": 2}, 2)
    found = await statistics(client, "/event-stats")
    assert (found["total_events"], found["total_leads"], found["events_today"]) == (2, 2, 0)
    assert found["top_events"] == [{"event_type": "demo", "count": 2}]


@pytest.mark.usefixtures("happened")
async def test_each_ou_has_its_own_statistics(neighbour: Caller, stranger: Caller) -> None:
    for caller in (neighbour, stranger):
        assert (await statistics(caller, "/events-analytics"))["totals"] == {"events": 0, "leads": 0}
        assert (await statistics(caller, "/event-stats"))["total_events"] == 0


@pytest.mark.parametrize("path", ["/events-analytics", "/event-stats"])
async def test_an_invalid_range_is_reported(client: Caller, path: str) -> None:
    response = await client.get(path, params={"range": "custom"})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "range"


async def test_usage_is_the_sum_over_the_ous_of_the_organization(
    client: Caller, basic: Caller, neighbour: Caller, stranger: Caller, drain: Drain
) -> None:
    for caller in (client, client, neighbour, stranger):
        await caller.post("/ingest", json={"event_type": "view", "lead_id": "a", "timestamp": days_ago(40)})
    await drain()
    expected = {"monthly_events": 3, "monthly_limit": None, "overage": False, "org_id": client.org_id}
    for caller, of_unit in ((client, 2), (basic, 2), (neighbour, 1)):
        found = await statistics(caller, "/usage")
        assert found.pop("org_name")
        assert found == {**expected, "unit_monthly_events": of_unit}
    found = await statistics(stranger, "/usage")
    assert (found["monthly_events"], found["unit_monthly_events"]) == (1, 1)


async def test_usage_of_the_active_ou_follows_the_header(
    client: Caller, make: Make, neighbour: Caller, stranger: Caller, drain: Drain
) -> None:
    for caller in (client, client, neighbour):
        await make.by(caller).event()
    await drain()
    for unit_id, of_unit in ((client.unit_id, 2), (neighbour.unit_id, 1), ((await make.unit())["unit_id"], 0)):
        found = (await client.get("/usage", headers={"X-OU-ID": unit_id})).json()
        assert (found["monthly_events"], found["unit_monthly_events"]) == (3, of_unit)
    foreign = await client.get("/usage", headers={"X-OU-ID": stranger.unit_id})
    assert foreign.status_code == 404


async def test_usage_without_an_active_ou_is_that_of_the_organization(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.event()
    await drain()
    await make.unit()
    await database.execute("UPDATE org_units SET is_default = false")
    del client.headers["X-OU-ID"]
    assert (await client.get("/event-stats")).status_code == 400
    found = await statistics(client, "/usage")
    assert (found["monthly_events"], found["unit_monthly_events"]) == (1, None)


async def test_usage_includes_deleted_events_but_not_repeated_ones(client: Caller, make: Make, drain: Drain) -> None:
    await make.events({"idempotency_key": "once"}, {"idempotency_key": "once"}, {})
    await drain()
    await client.request("DELETE", "/lead/lead-1")
    assert (await statistics(client, "/usage"))["monthly_events"] == 2


async def test_usage_excludes_events_of_other_months(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.event()
    await drain()
    await database.execute("UPDATE usage_counts SET month = month - interval '1 month'")
    assert (await statistics(client, "/usage"))["monthly_events"] == 0


async def test_usage_above_the_limit_is_an_overage(
    client: Caller, make: Make, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = settings().model_copy(update={"monthly_event_limit": 1})
    monkeypatch.setattr("leadvibe.analytics.usage.settings", lambda: limited)
    await make.event()
    await drain()
    assert (await statistics(client, "/usage"))["overage"] is False
    await make.event()
    await drain()
    found = await statistics(client, "/usage")
    assert (found["monthly_events"], found["monthly_limit"], found["overage"]) == (2, 1, True)
