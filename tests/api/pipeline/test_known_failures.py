"""Known failures of other products, each tested once through the whole event path."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from leadvibe.core.jobs.queue import drain_jobs
from support.callers import Caller
from support.ledger import differences
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

DAY = timedelta(days=1)


def ago(silence: timedelta) -> str:
    return (datetime.now(UTC) - silence).isoformat().replace("+00:00", "Z")


async def rescore(client: Caller) -> None:
    (await client.post("/admin/rescore")).raise_for_status()
    await drain_jobs()


async def test_a_reset_followed_by_a_full_rescore_stays_reset(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.events({}, {}, {})
    await drain()
    await client.post("/leads/lead-1/reset-scores")

    await rescore(client)

    assert await make.score() == 0


async def test_decay_is_not_undone_by_the_next_event(client: Caller, make: Make, drain: Drain) -> None:
    await make.rules({"Engagement": {"signup": 50, "page_view": 3}})
    await make.event("signup", timestamp=ago(90 * DAY))
    await drain()
    await make.decay(7, "days", 20)
    await drain_jobs()

    await make.event("page_view")
    await drain()

    assert await make.score() == 33


async def test_a_reset_never_drives_a_score_below_zero(client: Caller, make: Make, drain: Drain) -> None:
    await make.rules({"Engagement": {"page_view": 5, "refund": -50}})
    await make.event()
    await drain()
    await client.post("/leads/lead-1/reset-scores")

    await make.event("refund", timestamp=ago(DAY))
    await client.post("/leads/lead-1/reset-scores")
    await drain()

    assert await make.score() == 0


async def test_a_late_event_below_the_floor_gives_the_same_total_as_on_time(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rules({"Engagement": {"page_view": 10, "refund": -50}})
    on_time = [("page_view", 4), ("refund", 3), ("page_view", 2)]
    for event_type, days in on_time:
        await make.event(event_type, timestamp=ago(days * DAY))
        await drain()
    for event_type, days in (on_time[2], on_time[0], on_time[1]):
        await make.event(event_type, "late", timestamp=ago(days * DAY))
        await drain()

    assert await make.score() == await make.score("late") == 10


async def test_two_events_of_one_instant_have_one_order(client: Caller, make: Make, drain: Drain) -> None:
    await make.rules({"Engagement": {"page_view": 10, "refund": -50}})
    instant = ago(DAY)
    for lead_id, types in {"one": ("page_view", "refund"), "other": ("refund", "page_view")}.items():
        for event_type in types:
            await make.event(event_type, lead_id, timestamp=instant)
            await drain()

    assert await make.score("one") == await make.score("other") == 0


async def test_a_decay_step_that_is_no_longer_due_after_a_late_event_is_removed(
    make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rules({"Engagement": {"signup": 50, "page_view": 3}})
    await make.event("signup", timestamp=ago(90 * DAY))
    await drain()
    await make.decay(30, "days", 20)
    await drain_jobs()
    assert await make.score() == 30

    await make.event("page_view", timestamp=ago(DAY))
    await drain()

    assert await make.score() == 53
    assert await differences(database) == []


async def test_a_decay_step_that_a_late_event_makes_due_is_applied(
    make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rule("signup", 50)
    await make.event("page_view", timestamp=ago(90 * DAY))
    await drain()
    await make.decay(30, "days", 20)
    await drain_jobs()
    assert await make.score() == 0

    await make.event("signup", timestamp=ago(80 * DAY))
    await drain()

    assert await make.score() == 30
    assert await differences(database) == []


async def test_events_queued_before_a_reset_do_not_survive_it(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.lead()
    await make.events({}, {}, {})

    await client.post("/leads/lead-1/reset-scores")
    await drain()

    assert await make.score() == 0


async def test_a_lead_that_is_deleted_while_its_events_wait_stays_deleted(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("page_view", 5)
    await make.event()
    await drain()
    await make.events({}, {"aliases": [{"alias_kind": "email", "raw_value": "ada@example.com"}]})

    (await client.delete("/lead/lead-1")).raise_for_status()
    await drain_jobs()
    await drain()

    assert (await client.get("/lead/lead-1")).status_code == 404
    assert (await client.get("/lead/lead-1/deletion-status")).json()["status"] == "completed"
