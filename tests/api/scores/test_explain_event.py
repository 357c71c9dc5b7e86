"""What one event did to the totals: before, after and why."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]
NOON = "2025-01-01T12:00:00Z"


async def explained(client: Caller, **params: Any) -> list[dict[str, Any]]:
    """The explanation of each event that the list shows, oldest first."""
    events = (await client.get("/events", params=params)).json()
    return [(await client.get(f"/events/{event['id']}/score-explain")).json() for event in reversed(events)]


async def changes(client: Caller) -> list[tuple[str, int, int, int]]:
    """(event type, before, delta, after) of every event, in the order in which they count."""
    return [
        (each["event_type"], effect["before"], effect["delta"], effect["after"])
        for each in await explained(client)
        for effect in each["rulesets"]
    ]


async def test_an_event_is_explained_by_ruleset_and_rule(client: Caller, make: Make, drain: Drain) -> None:
    rule = await make.rule("signup", 20)
    await make.event("signup", timestamp=NOON)
    await drain()
    (explanation,) = await explained(client)
    (effect,) = explanation["rulesets"]
    assert explanation["id"].startswith("ev_")
    assert explanation == {
        "id": explanation["id"],
        "event_id": explanation["id"],
        "lead_id": "lead-1",
        "event_type": "signup",
        "occurred_at": NOON,
        "suppression_reason": None,
        "rulesets": [
            {
                "ruleset_id": effect["ruleset_id"],
                "ruleset_name": "Engagement",
                "delta": 20,
                "before": 0,
                "after": 20,
                "score_delta": 20,
                "score_before": 0,
                "score_after": 20,
                "rules": [{"rule_id": rule["rule_id"], "weight": 20}],
                "base": 20,
                "multiplier": 1.0,
                "points": 20,
                "applied": 20,
            }
        ],
    }


async def test_each_event_goes_on_where_the_one_before_it_ended(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("signup", 20)
    await make.rule("unsubscribe", -50)
    await make.events(
        {"event_type": "signup", "timestamp": "2025-01-01T12:00:00Z"},
        {"event_type": "unsubscribe", "timestamp": "2025-01-01T12:00:01Z"},
        {"event_type": "signup", "timestamp": "2025-01-01T12:00:02Z"},
    )
    await drain()
    assert await changes(client) == [("signup", 0, 20, 20), ("unsubscribe", 20, -20, 0), ("signup", 0, 20, 20)]
    assert (await explained(client))[1]["rulesets"][0]["points"] == -50


@pytest.mark.parametrize("arrival", [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]])
async def test_events_of_one_instant_count_in_the_order_of_their_types(
    client: Caller, make: Make, drain: Drain, arrival: list[str]
) -> None:
    for weight, event_type in enumerate("abc", 1):
        await make.rule(event_type, weight)
    for event_type in arrival:
        await make.event(event_type, timestamp=NOON)
        await drain()
    assert sorted(await changes(client)) == [("a", 0, 1, 1), ("b", 1, 2, 3), ("c", 3, 3, 6)]


async def test_a_late_event_moves_what_came_after_it(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("signup", 20)
    await make.rule("unsubscribe", -50)
    await make.event("unsubscribe", timestamp="2025-01-01T12:00:01Z")
    await drain()
    assert await changes(client) == [("unsubscribe", 0, 0, 0)]
    await make.event("signup", timestamp="2025-01-01T12:00:00Z")
    await drain()
    assert await changes(client) == [("signup", 0, 20, 20), ("unsubscribe", 20, -20, 0)]


async def test_only_the_rulesets_that_an_event_touched_are_explained(client: Caller, make: Make, drain: Drain) -> None:
    other = await make.ruleset("Other")
    await make.rule("signup", 20)
    await make.rule("signup", 0, ruleset_id=other["ruleset_id"])
    await make.rule("webinar", 7, ruleset_id=other["ruleset_id"])
    await make.events(
        {"event_type": "signup", "timestamp": NOON},
        {"event_type": "webinar", "timestamp": "2025-01-01T12:00:01Z"},
        {"event_type": "unheard of", "timestamp": "2025-01-01T12:00:02Z"},
    )
    await drain()
    signup, webinar, nothing = await explained(client)
    assert {effect["ruleset_name"]: effect["delta"] for effect in signup["rulesets"]} == {"Engagement": 20, "Other": 0}
    assert {effect["ruleset_name"]: effect["delta"] for effect in webinar["rulesets"]} == {"Other": 7}
    assert nothing["rulesets"] == []


async def test_the_award_of_a_deleted_rule_stays_explained(client: Caller, make: Make, drain: Drain) -> None:
    rule = await make.rule("signup", 20)
    await make.event("signup", timestamp=NOON)
    await drain()
    assert (await client.delete(f"/rules/{rule['rule_id']}")).status_code == 204
    ((effect,),) = [explanation["rulesets"] for explanation in await explained(client)]
    assert effect["rules"] == [{"rule_id": rule["rule_id"], "weight": 20}]


async def test_the_deltas_of_all_events_sum_to_the_score(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 3)
    await make.rule("unsubscribe", -5)
    await make.events(
        *(
            {"event_type": ("page_view", "unsubscribe")[n % 3 == 2], "timestamp": f"2025-01-01T12:{n % 7:02}:00Z"}
            for n in range(30)
        )
    )
    await drain()
    assert sum(delta for _, _, delta, _ in await changes(client)) == await make.score()


@pytest.mark.parametrize("event_id", ["ev_" + "0" * 32, "ev_1", "lead-1", "ev_%00"])
async def test_an_unknown_event_is_not_found(client: Caller, event_id: str) -> None:
    response = await client.get(f"/events/{event_id}/score-explain")
    assert response.status_code == (400 if "%00" in event_id else 404)


async def test_another_units_event_is_not_found(
    client: Caller, make: Make, drain: Drain, neighbour: Caller, stranger: Caller
) -> None:
    await make.event("signup")
    await drain()
    (event,) = (await client.get("/events")).json()
    for caller in (neighbour, stranger):
        assert (await caller.get(f"/events/{event['id']}/score-explain")).status_code == 404
