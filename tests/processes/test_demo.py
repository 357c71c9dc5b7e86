"""The demo's visitors create rules and send events, which change scores."""

import random
from collections.abc import Awaitable, Callable

from leadvibe.cli import visitors
from support.callers import Caller


async def test_it_creates_missing_rules_and_no_rule_twice(basic: Caller) -> None:
    await basic.post("/rules", json={"event_type": "signup", "weight": 99})
    await visitors.configure(basic)
    await visitors.configure(basic)
    rules = {rule["event_type"]: rule["weight"] for rule in (await basic.get("/rules")).json()}
    assert rules == {**visitors.WEIGHTS, "signup": 99}


async def test_a_visitors_events_change_the_score(basic: Caller, drain: Callable[[], Awaitable[None]]) -> None:
    await visitors.configure(basic)
    visitor = visitors.Visitor("ada-1", "buyer", ["page_view", "signup"])
    for number in range(2):
        await visitors.send(basic, visitor.next_event(random.Random(1)), key=f"step-{number}")
    await drain()
    assert (await basic.get("/score/demo-ada-1")).json()["score"] == visitors.WEIGHTS["page_view"] + visitors.WEIGHTS[
        "signup"
    ]
    assert visitor.steps == []


def test_the_same_seed_plays_the_same_visitors() -> None:
    plays = [
        [visitors.new_visitor(rng, number) for number in range(50)] for rng in (random.Random(7), random.Random(7))
    ]
    assert plays[0] == plays[1]
    assert all(visitor.steps for visitor in plays[0])


def test_every_step_of_every_journey_has_a_weight() -> None:
    steps = {step for _, planned in visitors.JOURNEYS.values() for step in planned}
    assert steps <= visitors.WEIGHTS.keys()
    assert any(weight < 0 for weight in visitors.WEIGHTS.values())
