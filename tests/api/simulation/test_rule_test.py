"""A rule tried on a lead."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]


async def tried(client: Caller, lead_id: str = "lead-1", **rule: Any) -> dict[str, Any]:
    body = {"lead_id": lead_id, "rule": {"event_type": "page_view", "weight": 10, **rule}}
    response = await client.post("/engagement-scoring/test", json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_rule_is_tested_on_the_events_that_count(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.events(
        *({"metadata": {"page": page}} for page in ("/pricing", "/pricing", "/home")), {"event_type": "x"}
    )
    await drain()
    asked = {"field": "page", "operator": "contains", "value": "pricing"}

    found = await tried(client, attribute_filters=[asked])

    reason = "The rule would pay for 2 of the lead's 3 page_view events."
    assert found == {
        "matches": True,
        "reason": reason,
        "current_score": 15,
        "projected_score": 35,
        "matching_events": 2,
        "currentScore": 15,
        "projectedScore": 35,
        "matchingEvents": 2,
    }
    assert (await tried(client, attribute_filters=[asked], max_per_lead=1))["projected_score"] == 25
    assert await make.score() == 15


async def test_a_rule_without_matches_has_a_reason(client: Caller, make: Make, drain: Drain) -> None:
    await make.event()
    await drain()
    missing = await tried(client, event_type="login")
    assert (missing["matches"], missing["reason"]) == (False, "The lead has no login events that count.")
    other = await tried(client, end_at="2020-01-01T00:00:00Z")
    assert (other["matches"], other["matching_events"]) == (False, 0)
    assert other["reason"] == "None of the lead's 1 page_view events matches the rule."


async def test_suppressed_events_and_events_before_a_reset_do_not_count(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.events({}, {})
    await drain()
    await client.post("/leads/lead-1/reset-scores")
    await make.filter("page_view", count_threshold=3, time_window_ms=3_600_000)
    await make.events({}, {}, {})
    await drain()
    # Of the three after the reset, two are more than a person makes.
    assert (await tried(client))["matching_events"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rule": {"event_type": "a", "weight": 1}}, "lead_id"),
        ({"lead_id": "lead-1"}, "rule"),
        ({"lead_id": "lead-1", "rule": {"event_type": "a", "weight": 1.5}}, "rule.weight"),
    ],
)
async def test_an_invalid_rule_test_names_the_field(client: Caller, body: Any, field: str) -> None:
    response = await client.post("/engagement-scoring/test", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


async def test_a_lead_or_ruleset_of_another_unit_is_not_found(client: Caller, neighbour: Caller, make: Make) -> None:
    await make.lead()
    body = {"lead_id": "lead-1", "rule": {"event_type": "a", "weight": 1}}
    assert (await neighbour.post("/engagement-scoring/test", json=body)).status_code == 404
    body["rule"] = {"event_type": "a", "weight": 1, "ruleset_id": "rs_unknown"}
    assert (await client.post("/engagement-scoring/test", json=body)).status_code == 404


async def test_a_merged_lead_is_tested_as_its_target(client: Caller, make: Make) -> None:
    await make.lead("lead-1")
    await make.lead("lead-2")
    await client.post("/leads/merge", json={"targetLeadId": "lead-2", "sourceLeadIds": ["lead-1"]})
    body = {"lead_id": "lead-1", "rule": {"event_type": "page_view", "weight": 5}}
    assert (await client.post("/engagement-scoring/test", json=body)).status_code == 200
