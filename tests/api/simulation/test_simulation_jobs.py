"""A large simulation is a background job, one at a time for each OU, and drafts have limits."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadvibe.config import settings
from leadvibe.core.jobs import progress as job_progress
from leadvibe.core.jobs.queue import drain_jobs
from leadvibe.simulation.tasks import simulate_draft
from support.callers import Caller
from support.endless import GUARD_SECONDS, EndlessWork
from support.make import Make
from support.postgres import TestDatabase
from support.working import jobs_at_work

Drain = Callable[[], Awaitable[None]]

DRAFT: dict[str, Any] = {
    "days": 30,
    "rules": [
        {
            "event_type": "page_view",
            "weight": 9,
            "start_at": "2020-01-01T00:00:00+01:00",
            "attribute_filters": [{"field": "page", "operator": "not_equals", "value": ["/a", 1, 2.5, True]}],
            "max_per_lead": 3,
        },
        {"event_type": "signup", "weight": -3},
    ],
    "surge_policy": {"mode": "custom", "bands": [{"min_events": 1, "max_events": None, "multiplier": 2}]},
    "decays": [{"interval_days": 1, "points": -4}],
}


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that changes settings of simulations."""

    def change(**values: int) -> None:
        changed = settings().model_copy(update={f"simulation_{name}": value for name, value in values.items()})
        for module in ("dispatch", "schemas"):
            monkeypatch.setattr(f"leadvibe.simulation.{module}.settings", lambda: changed)

    return change


@pytest.fixture
async def events(make: Make, drain: Drain) -> None:
    await make.rule()
    await make.events(*({"lead_id": f"lead-{n}"} for n in (1, 1, 2)))
    await make.events(*({"event_type": "signup", "timestamp": "2025-01-01T00:00:00Z"} for _ in range(2)))
    await drain()


async def start(client: Caller, body: dict[str, Any] = DRAFT) -> str:
    response = await client.post("/rulesets/simulate", json=body)
    assert response.status_code == 202, response.text
    return response.json()["job_id"]


async def read(client: Caller, job_id: str) -> dict[str, Any]:
    return (await client.get(f"/jobs/{job_id}")).json()


@pytest.mark.usefixtures("events")
async def test_the_result_of_the_job_is_the_answer_of_a_small_simulation(
    viewer: Caller, limit: Callable[..., None], database: TestDatabase
) -> None:
    at_once = await viewer.post("/rulesets/simulate", json=DRAFT)
    assert at_once.status_code == 200
    limit(events=0)
    response = await viewer.post("/rulesets/simulate", json=DRAFT)
    queued = response.json()
    assert (response.status_code, queued["kind"], queued["status"]) == (202, "simulation", "queued")
    await drain_jobs()
    done = await read(viewer, queued["job_id"])
    assert (done["status"], done["error"], done["progress"]) == ("completed", None, {"done": 2, "total": 2})
    assert done["result"] == at_once.json()
    assert len(done["result"]["movers"]) == 2
    assert await database.fetchval("SELECT parameters::text FROM jobs") == "{}"


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize(
    ("events_limit", "body", "status"),
    [
        (5, {}, 200),
        (5, {"decays": []}, 200),
        (4, {}, 202),  # all leads have events within the 90 days, and together they have 5 events
        (4, {"days": 1}, 202),
        (4, {"decays": []}, 202),
        (1, {}, 202),  # two leads
    ],
)
async def test_a_simulation_over_more_events_or_leads_than_the_limit_is_a_job(
    client: Caller, limit: Callable[..., None], events_limit: int, body: Any, status: int
) -> None:
    limit(events=events_limit)
    assert (await client.post("/rulesets/simulate", json=body)).status_code == status


async def test_events_of_leads_that_the_draft_cannot_change_do_not_count(
    client: Caller, make: Make, drain: Drain, limit: Callable[..., None]
) -> None:
    old = (datetime.now(UTC) - timedelta(days=100)).isoformat()
    await make.events(*({"lead_id": "old", "timestamp": old} for _ in range(4)), {"lead_id": "new"})
    await drain()
    limit(events=4)
    for body, status in (({"days": 90}, 200), ({"days": 110}, 202)):
        response = await client.post("/rulesets/simulate", json=body)
        assert response.status_code == status
        if status == 202:
            await client.delete(f"/jobs/{response.json()['job_id']}")
    response = await client.post("/rulesets/simulate", json={"days": 90, "decays": []})
    assert response.status_code == 202


async def test_many_leads_make_a_job_even_if_the_draft_changes_few(
    client: Caller, make: Make, drain: Drain, limit: Callable[..., None]
) -> None:
    old = (datetime.now(UTC) - timedelta(days=100)).isoformat()
    await make.events(*({"lead_id": f"old-{number}", "timestamp": old} for number in range(3)))
    await drain()
    for leads, status in ((3, 200), (2, 202)):
        limit(events=leads)
        assert (await client.post("/rulesets/simulate", json={"days": 1})).status_code == status


@pytest.mark.usefixtures("events")
async def test_an_ou_runs_one_simulation_job_at_a_time(
    client: Caller, neighbour: Caller, make: Make, drain: Drain, limit: Callable[..., None]
) -> None:
    await make.by(neighbour).event()
    await drain()
    limit(events=0)
    running = await start(client)
    refused = await client.post("/rulesets/simulate", json={})
    assert refused.status_code == 409
    assert f"DELETE /jobs/{running}" in refused.json()["detail"]
    other = await start(neighbour)
    await drain_jobs()
    assert (await read(client, running))["status"] == (await read(neighbour, other))["status"] == "completed"
    await start(client)


@pytest.mark.usefixtures("events")
async def test_simulations_that_start_together_are_one_job(client: Caller, limit: Callable[..., None]) -> None:
    limit(events=0)
    answers = await asyncio.gather(*(client.post("/rulesets/simulate", json={}) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409]
    (job_id,) = (answer.json()["job_id"] for answer in answers if answer.status_code == 202)
    assert all(job_id in answer.json()["detail"] for answer in answers if answer.status_code == 409)


@pytest.mark.usefixtures("events")
async def test_a_queued_simulation_can_be_cancelled_by_a_viewer(viewer: Caller, limit: Callable[..., None]) -> None:
    limit(events=0)
    job_id = await start(viewer)
    response = await viewer.delete(f"/jobs/{job_id}")
    assert (response.status_code, response.json()["status"]) == (202, "failed")
    await drain_jobs()
    job = await read(viewer, job_id)
    assert (job["status"], job["error"], job["result"]) == ("failed", "The job was cancelled.", None)
    again = await viewer.delete(f"/jobs/{job_id}")
    assert (again.status_code, again.json()["detail"]) == (409, "The job has already ended. Its status is failed.")
    await start(viewer)


@pytest.mark.usefixtures("events")
async def test_a_running_simulation_stops_within_a_lead_when_it_is_cancelled(
    viewer: Caller, limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = EndlessWork()
    monkeypatch.setattr("leadvibe.simulation.trial.fold_stoppable", work)
    monkeypatch.setattr(job_progress, "CANCEL_CHECK_SECONDS", 0.01)
    limit(events=0)
    async with jobs_at_work():
        job_id = await start(viewer)
        await work.has_begun()
        assert (await read(viewer, job_id))["status"] == "running"
        assert (await viewer.delete(f"/jobs/{job_id}")).status_code == 202
        assert await asyncio.to_thread(work.ended.wait, GUARD_SECONDS)
    assert work.stopped
    job = await read(viewer, job_id)
    assert (job["status"], job["error"]) == ("failed", "The job was cancelled.")


@pytest.mark.usefixtures("events")
async def test_a_job_reports_the_leads_that_are_done(
    client: Caller, limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    report = job_progress.Progress.report

    async def observe(progress: Any, session: Any, **changes: Any) -> None:
        await report(progress, session, **changes)
        shown.append((changes["done"], changes["total"]))

    monkeypatch.setattr(job_progress.Progress, "report", observe)
    monkeypatch.setattr("leadvibe.simulation.service.SLICE_LEADS", 1)
    limit(events=0)
    await start(client)
    await drain_jobs()
    assert shown == [(1, 2), (2, 2)]


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("slice_events", [1, 2, 3])
async def test_a_slice_ends_after_a_lead(
    client: Caller, slice_events: int, monkeypatch: pytest.MonkeyPatch, make: Make, drain: Drain
) -> None:
    await make.lead("empty-1")
    await client.post("/leads/empty-1/adjust-score", json={"points": 5})
    await make.events(*({"lead_id": f"other-{n}"} for n in range(3)))
    await drain()
    whole = (await client.post("/rulesets/simulate", json=DRAFT)).json()
    monkeypatch.setattr("leadvibe.simulation.service.SLICE_EVENTS", slice_events)
    assert (await client.post("/rulesets/simulate", json=DRAFT)).json() == whole
    assert (whole["leads"], whole["events"]) == (6, 6)


@pytest.mark.usefixtures("events")
async def test_a_result_does_not_name_a_lead_that_was_deleted(
    client: Caller, limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(events=0)
    first = await start(client)
    await drain_jobs()
    assert [mover["lead_id"] for mover in (await read(client, first))["result"]["movers"]] == ["lead-1", "lead-2"]
    await client.delete("/lead/lead-2")
    await drain_jobs()
    result = (await read(client, first))["result"]
    assert [mover["lead_id"] for mover in result["movers"]] == ["lead-1"]
    assert result["leads"] == 2

    run = simulate_draft.__globals__["begin_simulation"]

    async def begin(*arguments: Any) -> Any:
        simulation = await run(*arguments)
        fold = simulation.run

        class Late:
            async def run(self, report: Any) -> Any:
                comparison = await fold(report)
                await client.delete("/lead/lead-1")  # after its fold, before its result is stored
                await drain_jobs()  # its traces are erased by then, too
                return comparison

        return Late()

    monkeypatch.setitem(simulate_draft.__globals__, "begin_simulation", begin)
    second = await start(client)
    await drain_jobs()
    result = (await read(client, second))["result"]
    assert (result["leads"], result["movers"]) == (1, [])


@pytest.mark.usefixtures("events")
async def test_a_draft_that_became_invalid_fails_the_job_and_says_why(
    client: Caller, make: Make, limit: Callable[..., None]
) -> None:
    limit(events=0)
    ruleset = await make.ruleset("Second")
    job_id = await start(client, {"ruleset_id": ruleset["id"]})
    assert (await client.delete(f"/rulesets/{ruleset['id']}")).is_success
    await drain_jobs()
    job = await read(client, job_id)
    assert (job["status"], job["error"]) == ("failed", "ruleset_id: no ruleset has this id")


RULE = {"event_type": "a", "weight": 1}
HOURLY = {"inactive_for": 1, "unit": "hours", "decrease": 1}
THREE_VALUES = [{"field": "x", "operator": "equals", "value": ["1", "2"]}, {"field": "y", "operator": "is_empty"}]


@pytest.mark.parametrize(
    ("limits", "body", "error"),
    [
        ({"days": 9}, {"days": 10}, ("days", "must have at most 9 days (LEADVIBE_SIMULATION_DAYS), but has 10")),
        (
            {"rules": 1},
            {"rules": [RULE, {**RULE, "event_type": "b"}]},
            ("rules", "must have at most 1 rules (LEADVIBE_SIMULATION_RULES), but has 2"),
        ),
        (
            {"filter_values": 2},
            {"rules": [{**RULE, "attribute_filters": THREE_VALUES}]},
            ("rules", "must have at most 2 values in attribute filters (LEADVIBE_SIMULATION_FILTER_VALUES), but has 3"),
        ),
        (
            {"decays": 1},
            {"decays": [HOURLY, HOURLY]},
            ("decays", "must have at most 1 decay rules (LEADVIBE_SIMULATION_DECAYS), but has 2"),
        ),
        (
            {"decay_steps": 49},
            {"days": 2, "decays": [HOURLY, {**HOURLY, "unit": "days"}]},
            ("decays", "must have at most 49 due decays within `days` (LEADVIBE_SIMULATION_DECAY_STEPS), but has 50"),
        ),
    ],
)
async def test_a_draft_beyond_a_limit_is_refused_and_one_at_the_limit_is_not(
    client: Caller, limit: Callable[..., None], limits: Any, body: Any, error: tuple[str, str]
) -> None:
    limit(**limits)
    response = await client.post("/rulesets/simulate", json=body)
    assert response.status_code == 400
    assert response.json()["errors"] == [{"field": error[0], "message": error[1]}]
    limit(**{name: value + 1 for name, value in limits.items()})
    assert (await client.post("/rulesets/simulate", json=body)).status_code == 200


async def test_inactive_decay_rules_cost_no_steps(client: Caller, limit: Callable[..., None]) -> None:
    limit(decay_steps=0)
    body = {"decays": [{**HOURLY, "active": False}]}
    assert (await client.post("/rulesets/simulate", json=body)).status_code == 200


async def test_ten_years_of_hundreds_of_hourly_decay_rules_are_refused(client: Caller) -> None:
    for number, named in ((300, "LEADVIBE_SIMULATION_DECAYS"), (50, "LEADVIBE_SIMULATION_DECAY_STEPS")):
        response = await client.post("/rulesets/simulate", json={"days": 3650, "decays": [HOURLY] * number})
        assert (response.status_code, named in response.json()["detail"]) == (400, True)


async def test_an_import_of_leads_can_be_cancelled_by_operators(
    operator: Caller, viewer: Caller, client: Caller
) -> None:
    file = {"file": ("leads.csv", b"Email\nann@example.com\n")}
    preview = (await operator.post("/leads/import/preview", files=file)).json()
    body = {"file_id": preview["file_id"], "primary_identifier": {"column": "Email", "kind": "email"}}
    job_id = (await operator.post("/leads/import/start", json=body)).json()["job_id"]
    refused = await viewer.delete(f"/jobs/{job_id}")
    assert (refused.status_code, "Operator" in refused.json()["detail"]) == (403, True)
    assert (await operator.delete(f"/jobs/{job_id}")).status_code == 202
    await drain_jobs()
    job = (await client.get(f"/leads/import/{job_id}")).json()
    assert (job["status"], job["error"], job["result"]["processed"]) == ("failed", "The job was cancelled.", 0)
    assert (await client.get("/leads")).json()["total"] == 0


async def test_a_rescore_cannot_be_cancelled(client: Caller) -> None:
    job_id = (await client.post("/admin/rescore")).json()["job_id"]
    refused = await client.delete(f"/jobs/{job_id}")
    assert refused.status_code == 409
    assert refused.json()["detail"].startswith("A rescore can't be cancelled")
    assert (await read(client, job_id))["status"] == "queued"


@pytest.mark.usefixtures("events")
async def test_only_existing_jobs_of_the_ou_can_be_cancelled(
    client: Caller, neighbour: Caller, stranger: Caller, limit: Callable[..., None]
) -> None:
    limit(events=0)
    job_id = await start(client)
    for caller in (neighbour, stranger):
        assert (await caller.delete(f"/jobs/{job_id}")).status_code == 404
    assert (await client.delete("/jobs/job_nowhere")).status_code == 404
    await drain_jobs()
    assert (await read(client, job_id))["status"] == "completed"
