"""How the configuration scores events."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]


async def scored(make: Make, drain: Drain, *events: dict[str, Any]) -> int:
    await make.events(*events)
    await drain()
    return await make.score()


async def test_an_event_earns_the_weight_of_its_rule_each_time(make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.rule("signup", 20)
    assert await scored(make, drain, {}, {}, {"event_type": "signup"}, {"event_type": "unknown"}) == 30


async def test_event_types_are_case_sensitive(make: Make, drain: Drain) -> None:
    await make.rule("Page View", 5)
    assert await scored(make, drain, {"event_type": "page view"}, {"event_type": " Page View "}) == 5


@pytest.mark.parametrize("change", [{"weight": 7}, {"active": False}, {"event_type": "other"}])
async def test_an_edit_is_not_retroactive(client: Caller, make: Make, drain: Drain, change: dict[str, Any]) -> None:
    rule = await make.rule("page_view", 5)
    assert await scored(make, drain, {}) == 5
    assert (await client.put(f"/rules/{rule['id']}", json=change)).status_code == 204
    assert await scored(make, drain, {"event_type": "unknown", "timestamp": "2025-01-01T00:00:00Z"}) == 5


async def test_a_deleted_rule_keeps_the_points_already_awarded(client: Caller, make: Make, drain: Drain) -> None:
    rule = await make.rule("page_view", 5)
    assert await scored(make, drain, {}) == 5
    await client.delete(f"/rules/{rule['id']}")
    assert await scored(make, drain, {}) == 5


async def test_a_queued_event_is_scored_with_the_configuration_at_its_processing(
    client: Caller, make: Make, drain: Drain
) -> None:
    rule = await make.rule("page_view", 5)
    await make.event()
    await client.put(f"/rules/{rule['id']}", json={"weight": 7})
    await drain()
    assert await make.score() == 7


async def test_a_late_event_does_not_change_the_weights_of_other_events(
    client: Caller, make: Make, drain: Drain
) -> None:
    rule = await make.rule("page_view", 5)
    await scored(make, drain, {"timestamp": "2026-01-02T00:00:00Z"})
    await client.put(f"/rules/{rule['id']}", json={"weight": 7})
    assert await scored(make, drain, {"timestamp": "2026-01-01T00:00:00Z"}) == 12


async def test_an_inactive_rule_and_a_rule_of_an_inactive_ruleset_award_nothing(
    client: Caller, make: Make, drain: Drain
) -> None:
    ruleset = await make.ruleset(active=False)
    await make.rule("page_view", 5, active=False)
    await make.rule("page_view", 5, ruleset_id=ruleset["id"])
    assert await scored(make, drain, {}) == 0
    await client.put(f"/rulesets/{ruleset['id']}", json={"active": True})
    assert await scored(make, drain, {}) == 5


async def test_a_period_applies_to_the_time_of_the_event_and_excludes_its_end(make: Make, drain: Drain) -> None:
    january = {"start_at": "2026-01-01T00:00:00Z", "end_at": "2026-02-01T00:00:00Z"}
    ruleset = await make.ruleset(**january)
    primary = await make.rule("page_view", 5, **january)
    await make.rule("page_view", 50, ruleset_id=ruleset["id"])
    await make.events(
        {"timestamp": "2025-12-31T23:59:59.999999Z"},
        {"timestamp": "2026-01-01T00:00:00Z"},
        {"timestamp": "2026-01-31T23:59:59.999999Z"},
        {"timestamp": "2026-02-01T00:00:00Z"},
    )
    await drain()
    assert await make.score(ruleset_id=primary["ruleset_id"]) == 10
    assert await make.score(ruleset_id=ruleset["id"]) == 100


async def test_the_scores_of_a_deleted_ruleset_are_kept_unchanged(
    client: Caller, database: TestDatabase, make: Make, drain: Drain
) -> None:
    ruleset = await make.ruleset()
    await make.rule("page_view", 5, ruleset_id=ruleset["id"])
    assert await scored(make, drain, {}) == 5
    await client.delete(f"/rulesets/{ruleset['id']}")
    assert await scored(make, drain, {}) == 0
    query = "SELECT score FROM lead_scores WHERE unit_id = $1 AND ruleset_id = $2"
    assert await database.fetchval(query, client.unit_id, ruleset["id"]) == 5


async def test_a_rule_with_attribute_filters_matches_the_metadata(make: Make, drain: Drain) -> None:
    pricing = {"field": "page.url", "operator": "contains", "value": ["/pricing", "/plans"]}
    adult = {"field": "age", "operator": "gte", "value": 18}
    await make.rule("page_view", 1)
    await make.rule("page_view", 10, attribute_filters=[pricing])
    await make.rule("page_view", 100, attribute_filters=[pricing, adult])
    assert (
        await scored(
            make,
            drain,
            {"metadata": {"page": {"url": "/home"}, "age": 30}},
            {"metadata": {"page": {"url": "/PRICING"}}},
            {"metadata": {"page": {"url": "/plans/pro"}, "age": "20"}},
        )
        == 1 + 11 + 111
    )


async def test_a_rule_awards_points_to_a_lead_at_most_max_per_lead_times(make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5, max_per_lead=2)
    assert await scored(make, drain, {}, {}, {}) == 10
    assert await scored(make, drain, {}) == 10
    await make.event(lead_id="lead-2")
    await drain()
    assert await make.score("lead-2") == 5


async def test_a_filter_suppresses_too_frequent_events_from_its_creation_on(
    client: Caller, make: Make, drain: Drain
) -> None:
    await client.put("/settings/ou/surge-policy", json={"mode": "off"})
    await make.rule("page_view", 5)
    seconds = [{"timestamp": f"2026-01-01T00:00:{second:02}Z"} for second in range(10)]
    await make.events(*({**event, "lead_id": "before"} for event in seconds))
    await drain()
    await make.filter("page_view", count_threshold=3, time_window_ms=60_000)
    assert await scored(make, drain, *seconds) == 15
    assert await make.score("before") == 50
    reasons = [event["suppression_reason"] for event in (await client.get("/events/lead-1")).json()]
    assert reasons == ["inorganic"] * 7 + [None] * 3


async def test_scores_go_below_zero_only_if_that_is_allowed(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.rule("unsubscribe", -50)
    assert await scored(make, drain, {}, {"event_type": "unsubscribe"}, {}) == 5
    await client.put("/settings/scoring", json={"allow_negative_scores": True})
    assert await scored(make, drain, {"event_type": "unsubscribe"}) == -45
