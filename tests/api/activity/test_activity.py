"""The activity of a lead: events, orders, and both in one timeline."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadvibe.core.instants import show_instant
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]


def ago(**span: float) -> str:
    return show_instant(datetime.now(UTC) - timedelta(**span))


async def activity(client: Caller, lead_id: str = "lead-1", **params: Any) -> dict[str, Any]:
    response = await client.get(f"/leads/{lead_id}/activity", params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def types(client: Caller, **params: Any) -> list[str]:
    return [event["event_type"] for event in (await activity(client, **params))["events"]]


async def timeline(client: Caller, **params: Any) -> list[str]:
    found = await activity(client, **params)
    return [row["order_id"] if row["type"] == "order" else row["event_type"] for row in found["timeline"]]


@pytest.fixture
async def busy(make: Make, drain: Drain) -> None:
    """Three events and two orders, all of them at least ten hours old."""
    await make.rule("signup", 20)
    await make.rule("complaint", -5)
    await make.events(
        {"event_type": "signup", "timestamp": ago(hours=40), "metadata": {"channel": "Web"}},
        {"event_type": "page_view", "timestamp": ago(hours=30), "metadata": {"channel": "email"}},
        {"event_type": "complaint", "timestamp": ago(hours=10)},
    )
    await make.order("o-old", timestamp=ago(hours=35))
    await make.order("o-new", timestamp=ago(hours=20))
    await drain()


@pytest.mark.parametrize("noun", ["lead", "leads"])
async def test_an_event_shows_its_effect_on_the_score(client: Caller, make: Make, drain: Drain, noun: str) -> None:
    await make.rules({"Engagement": {"signup": 20}, "Other": {"signup": 3}})
    await make.event("signup", metadata={"channel": "Web"})
    await drain()
    found = (await client.get(f"/{noun}/lead-1/activity")).json()
    (event,) = found["events"]
    assert (event["score_delta"], event["channel"], event["type"]) == (20, "web", "event")
    assert event["latency_ms"] >= 0
    assert event["id"] == event["event_id"]
    assert found == {"events": [event], "orders": [], "timeline": [event]}


async def test_a_late_event_changes_the_effect_of_the_others(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5, max_per_lead=1)
    for hours in (1, 2):
        await make.event(timestamp=ago(hours=hours))
        await drain()
    assert [event["score_delta"] for event in (await activity(client))["events"]] == [0, 5]


@pytest.mark.usefixtures("busy")
async def test_the_timeline_contains_events_and_orders_newest_first(client: Caller) -> None:
    found = await activity(client)
    assert [event["event_type"] for event in found["events"]] == ["complaint", "page_view", "signup"]
    assert [event["score_delta"] for event in found["events"]] == [-5, 0, 20]
    assert [order["order_id"] for order in found["orders"]] == ["o-new", "o-old"]
    assert {order["type"] for order in found["orders"]} == {"order"}
    assert found["timeline"] == sorted(
        found["events"] + found["orders"], key=lambda row: row["timestamp"], reverse=True
    )


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"channel": "all"}, ["complaint", "page_view", "signup"]),
        ({"channel": "web"}, ["signup"]),
        ({"channel": "crm"}, []),
        ({"minScore": 0}, ["page_view", "signup"]),
        ({"minScore": 21}, []),
        ({"hasDelta": "1"}, ["complaint", "signup"]),
        ({"hasDelta": "true"}, ["complaint", "signup"]),
        ({"hasDelta": "0"}, ["complaint", "page_view", "signup"]),
        ({"hasDelta": "false"}, ["complaint", "page_view", "signup"]),
        ({"hasDelta": "1", "channel": "email"}, []),
    ],
)
async def test_channel_score_and_delta_filter_events_only(
    client: Caller, params: dict[str, Any], expected: list[str]
) -> None:
    assert await types(client, **params) == expected
    assert len((await activity(client, **params))["orders"]) == 2


@pytest.mark.usefixtures("busy")
async def test_latency_filters_events_only(client: Caller, database: TestDatabase) -> None:
    slow = "UPDATE events SET scored_at = received_at + interval '2 seconds' WHERE event_type = $1 AND unit_id = $2"
    await database.execute(slow, "signup", client.unit_id)
    await database.execute(slow.replace("2 seconds", "1 second"), "page_view", client.unit_id)
    found = await activity(client, maxLatency=1999)
    assert {event["event_type"]: event["latency_ms"] for event in found["events"]}["page_view"] == 1000
    assert "signup" not in {event["event_type"] for event in found["events"]}
    assert "signup" in await types(client, maxLatency=2000)
    assert len(found["orders"]) == 2


@pytest.mark.usefixtures("busy")
async def test_a_range_filters_events_and_orders(client: Caller) -> None:
    assert await timeline(client, range="last_24h") == ["complaint", "o-new"]
    custom = {"range": "custom", "start": ago(hours=36), "end": ago(hours=15)}
    assert await timeline(client, **custom) == ["o-new", "page_view", "o-old"]


@pytest.mark.usefixtures("busy")
async def test_start_and_end_are_used_without_the_range_custom(client: Caller) -> None:
    start, end = ago(hours=36), ago(hours=15)
    assert await timeline(client, start=start, end=end) == ["o-new", "page_view", "o-old"]
    assert await timeline(client, range="today", start=start, end=end) == ["o-new", "page_view", "o-old"]
    since, until = await timeline(client, start=start), await timeline(client, end=end)
    assert since[-3:] == until[:3] == ["o-new", "page_view", "o-old"]


async def test_the_default_range_is_the_last_seven_days(client: Caller, make: Make, drain: Drain) -> None:
    await make.events({"timestamp": ago(days=8)}, {"event_type": "signup", "timestamp": ago(days=6)})
    await make.order(timestamp=ago(days=8))
    await drain()
    assert await timeline(client) == ["signup"]
    assert await timeline(client, range="all") == ["signup", "order-1", "page_view"]


async def test_a_custom_range_includes_its_start_and_excludes_its_end(client: Caller, make: Make, drain: Drain) -> None:
    start, end = "2025-03-01T00:00:00Z", "2025-03-02T00:00:00Z"
    await make.events({"event_type": "first", "timestamp": start}, {"event_type": "last", "timestamp": end})
    await make.order("o-first", timestamp=start)
    await make.order("o-last", timestamp=end)
    await drain()
    assert await timeline(client, range="custom", start=start, end=end) == ["first", "o-first"]


async def test_resets_and_decay_are_shown_with_their_effect(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rules({"Engagement": {"page_view": 12}, "Other": {"page_view": 3}})
    await make.decay(inactive_for=1, unit="days", decrease=5)
    await database.execute("UPDATE config_versions SET created_at = created_at - interval '1 year'")
    await make.event(timestamp=ago(days=1.5))
    await drain()
    assert (await client.post("/leads/lead-1/reset-scores")).status_code == 200
    reset, step, viewed = (await activity(client, channel="all"))["events"]
    assert [row["event_type"] for row in (reset, step, viewed)] == ["score_reset", "DECAY", "page_view"]
    assert [row["score_delta"] for row in (reset, step, viewed)] == [-7, -5, 12]
    assert [row["channel"] for row in (reset, step, viewed)] == ["system", "system", None]
    assert (reset["latency_ms"], step["latency_ms"]) == (None, None)
    assert await types(client, channel="system") == ["score_reset", "DECAY"]
    assert await types(client, maxLatency=10**9) == ["page_view"]


async def test_merges_and_alias_conflicts_are_shown(client: Caller, make: Make, drain: Drain) -> None:
    aliases = [{"alias_kind": "email", "raw_value": "ada@example.com"}]
    await make.event(lead_id="ada", aliases=aliases)
    await drain()
    await make.event("signup", aliases=aliases)
    await drain()
    await client.post("/leads/merge", json={"targetLeadId": "lead-1", "sourceLeadIds": ["ada"]})
    deltas = {
        event["event_type"]: event["score_delta"] for event in (await activity(client, channel="system"))["events"]
    }
    assert deltas == {"alias_conflict": 0, "lead_merged": 0}


async def test_events_of_hidden_types_are_excluded(client: Caller, make: Make, drain: Drain) -> None:
    await make.events({"event_type": "heartbeat"}, {"event_type": "signup"})
    await drain()
    await client.put("/settings/ou/event-types/heartbeat", json={"hidden": True})
    assert await types(client) == ["signup"]


async def test_without_a_primary_ruleset_every_delta_is_zero(client: Caller, make: Make, drain: Drain) -> None:
    (ruleset,) = (await client.get("/rulesets")).json()
    await make.rule()
    await make.event()
    await drain()
    await client.delete(f"/rulesets/{ruleset['id']}")
    (event,) = (await activity(client))["events"]
    assert event["score_delta"] == 0


async def test_each_list_contains_the_newest_rows_up_to_the_limit(client: Caller, make: Make, drain: Drain) -> None:
    await make.events(*({"event_type": f"e-{n}", "timestamp": ago(hours=40 - 2 * n)} for n in range(4)))
    for number in range(3):
        await make.order(f"o-{number}", timestamp=ago(hours=39 - 2 * number))
    await drain()
    found = await activity(client, limit=2)
    assert [event["event_type"] for event in found["events"]] == ["e-3", "e-2"]
    assert [order["order_id"] for order in found["orders"]] == ["o-2", "o-1"]
    assert await timeline(client, limit=2) == ["e-3", "o-2"]


async def test_a_list_contains_at_most_500_rows(client: Caller, make: Make, drain: Drain) -> None:
    await make.events(*({"timestamp": ago(minutes=n)} for n in range(510)))
    await drain()
    found = await activity(client)
    assert (len(found["events"]), len(found["timeline"])) == (500, 500)
    assert found["events"][0]["timestamp"] > found["events"][-1]["timestamp"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"range": "forever"}, "range"),
        ({"range": "custom"}, "start"),
        ({"range": "custom", "start": "2025-03-01T00:00:00Z"}, "end"),
        ({"range": "custom", "end": "2025-03-01T00:00:00Z"}, "start"),
        ({"range": "custom", "start": "2025-03-01T00:00:00Z", "end": "2025-03-01T00:00:00Z"}, "end"),
        ({"range": "custom", "start": "2025-03-01", "end": "2025-03-02"}, "start"),
        ({"start": "2025-03-01T00:00:00Z", "end": "2025-03-01T00:00:00Z"}, "end"),
        ({"channel": "fax"}, "channel"),
        ({"minScore": -1}, "minScore"),
        ({"minScore": "many"}, "minScore"),
        ({"maxLatency": 0}, "maxLatency"),
        ({"hasDelta": "yes"}, "hasDelta"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
    ],
)
async def test_an_invalid_query_is_refused(client: Caller, make: Make, params: dict[str, Any], field: str) -> None:
    await make.lead()
    response = await client.get("/leads/lead-1/activity", params=params)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


async def test_the_activity_of_an_unknown_lead_is_not_found(client: Caller, stranger: Caller, make: Make) -> None:
    await make.lead()
    assert (await client.get("/leads/nobody/activity")).status_code == 404
    assert (await stranger.get("/leads/lead-1/activity")).status_code == 404
