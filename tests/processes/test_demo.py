"""The demonstration: what its visitors configure and send, and that scores move by it."""

import random
from collections.abc import Awaitable, Callable

from leadvibe.cli import demo
from support.callers import Caller


async def test_it_makes_the_rules_that_are_missing_and_no_rule_twice(basic: Caller) -> None:
    await basic.post("/rules", json={"event_type": "signup", "weight": 99})
    await demo.configure(basic)
    await demo.configure(basic)
    rules = {rule["event_type"]: rule["weight"] for rule in (await basic.get("/rules")).json()}
    assert rules == {**demo.WEIGHTS, "signup": 99}


async def test_what_a_visitor_does_moves_the_score(basic: Caller, drain: Callable[[], Awaitable[None]]) -> None:
    await demo.configure(basic)
    visitor = demo.Visitor("ada-1", "buyer", ["page_view", "signup"])
    for number in range(2):
        await demo.send(basic, visitor.next_event(random.Random(1)), key=str(number))
    await drain()
    assert (await basic.get("/score/demo-ada-1")).json()["score"] == demo.WEIGHTS["page_view"] + demo.WEIGHTS["signup"]
    assert visitor.steps == []


def test_the_same_seed_plays_the_same_visitors() -> None:
    plays = [[demo.arrival(chance, number) for number in range(50)] for chance in (random.Random(7), random.Random(7))]
    assert plays[0] == plays[1]
    assert all(visitor.steps for visitor in plays[0])


def test_every_step_of_every_journey_is_paid_for() -> None:
    steps = {step for _, planned in demo.JOURNEYS.values() for step in planned}
    assert steps <= demo.WEIGHTS.keys()
    assert any(weight < 0 for weight in demo.WEIGHTS.values())
