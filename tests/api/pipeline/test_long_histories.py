"""Late events of a lead with a long history, which must not delay other leads."""

from collections.abc import Awaitable, Callable
from time import monotonic

import pytest

from leadvibe.ingest.inbox import AcceptedEvent, route_of
from leadvibe.pipeline import batch, consumer
from leadvibe.pipeline.consumer import consume_batch
from support.callers import Caller
from support.ledger import differences
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

pytestmark = pytest.mark.usefixtures("short_memory")


@pytest.fixture
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty facts count as a long history, and no route is slow yet."""
    monkeypatch.setattr(batch, "SLOW_REPLAY_FACTS", 20)
    monkeypatch.setattr(consumer, "_slow_routes", consumer.SlowRoutes())


def hour(number: int) -> str:
    return f"2026-01-{1 + number // 24:02}T{number % 24:02}:00:00Z"


def elsewhere(client: Caller) -> str:
    """A lead whose events take another route than those of the lead `hard`."""

    def route(lead_id: str) -> int:
        return route_of(client.unit_id, AcceptedEvent("page_view", lead_id, [], None, b"{}", None, None))

    return next(name for name in map("other-{}".format, range(99)) if route(name) != route("hard"))


async def long_history(make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.events(*({"lead_id": "hard", "timestamp": hour(number)} for number in range(1, 60, 2)))
    await drain()


async def test_late_events_are_claimed_alone(client: Caller, make: Make, drain: Drain) -> None:
    await long_history(make, drain)
    other = elsewhere(client)
    await make.events({"lead_id": "hard", "timestamp": hour(10)}, {"lead_id": other})
    assert await consume_batch() == 2, "the route is not known as slow before the first late event"

    for _ in range(2):
        late = ({"lead_id": "hard", "timestamp": hour(number)} for number in (2, 40, 6))
        await make.events(*late, {"lead_id": other}, {"lead_id": other})
        assert [await consume_batch() for _ in range(3)] == [3, 2, 0]


async def test_other_leads_are_scored_during_the_replay(client: Caller, make: Make, drain: Drain) -> None:
    await long_history(make, drain)
    await make.event(lead_id="hard", timestamp=hour(10))
    await drain()
    await make.events({"lead_id": "hard", "timestamp": hour(20)}, {"lead_id": elsewhere(client)})
    with consumer._slow_routes.reserve() as routes:
        assert len(routes) == 1
        assert [await consume_batch() for _ in range(2)] == [1, 0]
        assert await make.score(elsewhere(client)) == 5
        assert await make.score("hard") == 5 * 31
    await drain()
    assert await make.score("hard") == 5 * 32


async def test_a_minute_after_the_last_late_event_the_route_is_like_any_other(
    client: Caller, make: Make, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await long_history(make, drain)
    await make.event(lead_id="hard", timestamp=hour(10))
    await drain()
    later = monotonic() + 61
    monkeypatch.setattr(consumer, "monotonic", lambda: later)

    await make.events({"lead_id": "hard", "timestamp": hour(62)}, {"lead_id": elsewhere(client)})
    assert [await consume_batch() for _ in range(2)] == [2, 0]


async def test_the_ledger_is_exact(make: Make, database: TestDatabase, drain: Drain) -> None:
    await long_history(make, drain)
    for number in (50, 2, 30, 6, 4):
        await make.events({"lead_id": "hard", "timestamp": hour(number)}, {"lead_id": f"lead-{number}"})
        await drain()
    assert await make.score("hard") == 5 * 35
    assert await differences(database) == []
