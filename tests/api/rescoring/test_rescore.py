"""A rescore: every event judged anew by today's configuration."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest

from leadvibe.core import retries
from leadvibe.core.jobs.queue import drain_jobs
from leadvibe.rescoring import tasks as rescoring
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


async def test_a_rescore_applies_new_rules_to_old_events(client: Caller, make: Make, drain: Drain) -> None:
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


async def test_a_late_event_does_not_undo_a_rescore(client: Caller, make: Make, drain: Drain) -> None:
    rule = await make.rule("page_view", 5)
    await make.events({"timestamp": "2025-03-01T10:00:00Z"}, {"timestamp": "2025-03-01T12:00:00Z"})
    await drain()
    await client.put(f"/rules/{rule['id']}", json={"weight": 7})
    await rescore(client)
    await client.put(f"/rules/{rule['id']}", json={"weight": 100})

    await make.event(timestamp="2025-03-01T11:00:00Z")
    await drain()

    assert await score(client) == 7 + 100 + 7


@pytest.mark.parametrize(("rescored", "total"), [("lead-1", 7 + 7 + 5), ("lead-2", 5 + 5 + 7)])
async def test_a_rescored_lead_does_not_pass_on_its_version_when_merged(
    client: Caller, make: Make, drain: Drain, rescored: str, total: int
) -> None:
    rule = await make.rule("page_view", 5)
    await make.events({}, {}, {"lead_id": "lead-2"})
    await drain()
    await client.put(f"/rules/{rule['id']}", json={"weight": 7})
    await rescore(client, lead_ids=[rescored])

    merged = await client.post("/leads/merge", json={"targetLeadId": "lead-2", "sourceLeadIds": ["lead-1"]})

    assert merged.json()["target"]["score"] == total


async def test_temporary_failures_are_retried_each_time_anew(
    client: Caller, make: Make, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = await make.rule("page_view", 5)
    await make.events(*({"lead_id": f"lead-{number:02}"} for number in range(30)))
    await drain()
    await client.put(f"/rules/{rule['id']}", json={"weight": 7})
    rescore_batch, calls = rescoring._rescore_batch, count()

    async def every_second_time(*given: Any) -> Any:
        if next(calls) % 2 == 0:
            raise ConnectionError("the server restarts")
        return await rescore_batch(*given)

    monkeypatch.setattr(rescoring, "_rescore_batch", every_second_time)
    monkeypatch.setattr(rescoring, "BATCH_LEADS", 1)
    monkeypatch.setattr(retries, "INITIAL_PAUSE_SECONDS", 0.0)

    job = await rescore(client)

    assert (job["status"], job["result"]) == ("completed", {"leads": 30, "moved": 30})
    assert next(calls) > 2 * 30


async def test_leads_created_during_a_rescore_never_take_the_progress_beyond_the_total(
    client: Caller, make: Make, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make.event()
    await drain()
    count_leads = rescoring._count

    async def count_and_make_more(*given: Any) -> int:
        total = await count_leads(*given)
        await make.event(lead_id="lead-2")
        await drain()
        return total

    monkeypatch.setattr(rescoring, "_count", count_and_make_more)

    assert (await rescore(client))["progress"] == {"done": 2, "total": 2}


async def test_only_an_admin_may_rescore(viewer: Caller, operator: Caller, basic: Caller) -> None:
    for caller in (viewer, operator, basic):
        assert (await caller.post("/admin/rescore")).status_code == 403
