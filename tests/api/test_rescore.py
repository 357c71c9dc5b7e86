"""A rescore: every event judged anew by today's configuration."""

from collections.abc import Awaitable, Callable

from leadvibe.core.jobs import drain_jobs
from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]


async def rescore(client: Caller, **body: object) -> dict[str, object]:
    started = await client.post("/admin/rescore", json=body or None)
    assert started.status_code == 202
    await drain_jobs()
    return (await client.get(f"/jobs/{started.json()['job_id']}")).json()


async def score(client: Caller, lead_id: str = "lead-1") -> int:
    return (await client.get(f"/score/{lead_id}")).json()["score"]


async def test_a_rescore_judges_old_events_by_new_rules(client: Caller, make: Make, drain: Drain) -> None:
    rule = await make.rule("page_view", 5)
    await make.events({}, {}, {"lead_id": "lead-2"})
    await drain()
    await client.put(f"/rules/{rule['id']}", json={"weight": 7})

    job = await rescore(client)

    assert (job["kind"], job["status"]) == ("rescore", "completed")
    assert job["progress"] == {"done": 2, "total": 2}
    assert job["result"] == {"leads": 2, "moved": 2}
    assert (await score(client), await score(client, "lead-2")) == (14, 7)


async def test_rescoring_twice_changes_nothing_more(client: Caller, make: Make, drain: Drain) -> None:
    await make.events({}, {})
    await drain()
    await make.rule("page_view", 5)

    first, second = await rescore(client), await rescore(client)

    assert first["result"] == {"leads": 1, "moved": 1}
    assert second["result"] == {"leads": 1, "moved": 0}
    assert await score(client) == 10


async def test_a_rescore_leaves_a_reset_lead_reset_and_keeps_adjustments(
    client: Caller, make: Make, drain: Drain
) -> None:
    rule = await make.rule("page_view", 5)
    await make.event()
    await drain()
    await client.post("/leads/lead-1/reset-scores")
    await make.event()
    await client.post("/leads/lead-1/adjust-score", json={"points": 100})
    await drain()
    await client.put(f"/rules/{rule['id']}", json={"weight": 8})

    await rescore(client)

    assert await score(client) == 108


async def test_only_the_leads_that_are_named_are_rescored(client: Caller, make: Make, drain: Drain) -> None:
    await make.events({}, {"lead_id": "lead-2"})
    await drain()
    await make.rule("page_view", 5)

    job = await rescore(client, lead_ids=["lead-2", "nobody"])

    assert job["result"] == {"leads": 1, "moved": 1}
    assert (await score(client), await score(client, "lead-2")) == (0, 5)


async def test_only_an_admin_may_rescore(viewer: Caller, operator: Caller, basic: Caller) -> None:
    for caller in (viewer, operator, basic):
        assert (await caller.post("/admin/rescore")).status_code == 403
