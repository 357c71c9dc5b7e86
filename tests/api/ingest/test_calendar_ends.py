"""The first and last instants of the calendar, which some languages use for "no time", are valid instants."""

from collections.abc import Awaitable, Callable

import pytest

from leadvibe.core.jobs.queue import drain_jobs
from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]

BEGINNING, END = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"
SECOND, LAST_BUT_ONE = "0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999998Z"


async def test_an_event_of_the_first_instant_is_read_and_scored_like_others(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("page_view", 5)
    await make.event(timestamp=BEGINNING, metadata={"n": 1})
    await drain()
    await make.event(timestamp="0001-01-01T00:00:01Z", metadata={"n": 2})
    await drain()
    await make.event(timestamp=BEGINNING, metadata={"n": 3})
    await drain()

    assert await make.score() == 15
    events = (await client.get("/events")).json()
    assert [event["timestamp"] for event in events] == ["0001-01-01T00:00:01Z", SECOND, SECOND]
    reads = "/leads", "/events/lead-1", "/leads/lead-1/activity?range=all", "/lead/lead-1/sessions", "/events/export"
    assert [(await client.get(path)).status_code for path in reads] == [200] * len(reads)
    assert (await client.post("/rulesets/simulate", json={"days": 30})).json()["leads"] == 1
    job = (await client.post("/admin/rescore")).json()["job_id"]
    await drain_jobs()
    assert (await client.get(f"/jobs/{job}")).json()["status"] == "completed"


async def test_orders_and_rules_can_have_the_first_and_the_last_instant(client: Caller, make: Make) -> None:
    first, last = await make.order("first", timestamp=BEGINNING), await make.order("last", timestamp=END)
    assert (first["timestamp"], last["timestamp"]) == (SECOND, LAST_BUT_ONE)
    newest = await client.get("/orders?limit=1")
    assert [order["order_id"] for order in newest.json()] == ["last"]
    assert (await client.get(newest.links["next"]["url"])).json()[0]["order_id"] == "first"
    rule = await make.rule("page_view", 5, start_at=BEGINNING, end_at=END)
    assert (rule["start_at"], rule["end_at"]) == (SECOND, LAST_BUT_ONE)


async def test_a_merge_truncated_at_the_first_instants_loses_no_points(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("page_view", 5)
    await make.events({"timestamp": BEGINNING}, {"lead_id": "lead-2"})
    await drain()
    body = {"targetLeadId": "lead-2", "sourceLeadIds": ["lead-1"], "truncate": {"policy": "before", "before": SECOND}}
    assert (await client.post("/leads/merge", json=body)).json()["target"]["score"] == 10


@pytest.mark.parametrize("end_date", [BEGINNING, "0001-01-20T00:00:00Z"])
async def test_a_score_history_does_not_start_before_the_calendar(client: Caller, make: Make, end_date: str) -> None:
    await make.lead()
    answer = await client.get("/lead/lead-1/score-history", params={"end_date": end_date})
    assert (answer.status_code, answer.json()["snapshots"]) == (200, [])
