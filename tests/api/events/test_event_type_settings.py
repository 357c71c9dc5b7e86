"""The settings of event types: hidden, processing scope, and the deletion of all events of a type."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from leadvibe.core.database.transactions import transaction
from leadvibe.core.jobs import waiting as job_waiting
from leadvibe.core.jobs.queue import drain_jobs
from leadvibe.events.types import tasks
from support import ledger
from support.callers import Caller
from support.following import following
from support.make import Make
from support.populated import MARK, fail_event
from support.postgres import TestDatabase
from support.working import jobs_at_work

Drain = Callable[[], Awaitable[None]]

PATH = "/settings/ou/event-types"


async def settings_of(client: Caller) -> dict[str, Any]:
    response = await client.get(PATH)
    assert response.status_code == 200, response.text
    return {each.pop("name"): each for each in response.json()}


async def set_(client: Caller, event_type: str, **values: Any) -> None:
    response = await client.put(f"{PATH}/{quote(event_type, safe='')}", json=values)
    assert response.status_code == 204, response.text


async def delete_all(client: Caller, event_type: str = "page_view") -> dict[str, int]:
    async with jobs_at_work():
        response = await client.delete(f"{PATH}/{quote(event_type, safe='')}/events")
    assert response.status_code == 200, response.text
    return response.json()


async def names(client: Caller) -> list[str]:
    return (await client.get("/event-types")).json()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_waiting, "TIMEOUT", timedelta(0))


async def test_every_type_is_listed_with_its_settings_and_counts(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("named")
    await make.events({"event_type": "seen"}, {"event_type": "seen", "lead_id": "b"})
    await drain()
    await set_(client, "seen", hidden=True, max_processing_scope="decide")
    assert (await client.get(PATH)).json() == [
        {
            "name": "named",
            "hidden": False,
            "ou_event_count": 0,
            "protected": True,
            "deletable": False,
            "max_processing_scope": "activate",
        },
        {
            "name": "seen",
            "hidden": True,
            "ou_event_count": 2,
            "protected": False,
            "deletable": True,
            "max_processing_scope": "decide",
        },
    ]


async def test_a_type_is_protected_while_an_active_rule_or_a_filter_names_it(
    client: Caller, make: Make, drain: Drain
) -> None:
    rule = await make.rule("ruled")
    velocity = await make.filter("filtered")
    await make.events(*({"event_type": name} for name in ("ruled", "filtered", "free", "DECAY")))
    await drain()
    protected = {name: each["protected"] for name, each in (await settings_of(client)).items()}
    assert protected == {"DECAY": True, "filtered": True, "free": False, "ruled": True}
    await client.put(f"/rules/{rule['id']}", json={"active": False})
    await client.delete(f"/filters/{velocity['id']}")
    deletable = {name: each["deletable"] for name, each in (await settings_of(client)).items()}
    assert deletable == {"DECAY": False, "filtered": True, "free": True, "ruled": True}


async def test_a_hidden_type_stops_scoring_new_events_and_old_ones_keep_their_points(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("page_view", 5)
    await make.event(timestamp="2025-03-01T12:00:00Z")
    await drain()
    await set_(client, "page_view", hidden=True)
    await make.event(timestamp="2025-03-01T11:00:00Z")  # late: the whole history is replayed
    await make.event()
    await drain()
    assert await make.score() == 5
    assert await names(client) == []
    assert len((await client.get("/events/lead-1")).json()) == 3
    await set_(client, "page_view", hidden=False)
    await make.event()
    await drain()
    assert await make.score() == 10
    assert await names(client) == ["page_view"]


async def test_a_hidden_types_events_are_not_on_the_stream(client: Caller, app: Any, make: Make, drain: Drain) -> None:
    await make.event("heartbeat")
    await drain()
    await set_(client, "heartbeat", hidden=True)
    async with following(app, client.who.headers) as stream:
        await make.events({"event_type": "heartbeat"}, {"event_type": "signup"})
        await drain()
        assert (await stream.next_event()).data["event"]["event_type"] == "signup"


@pytest.mark.parametrize(("scope", "score"), [("observe", 0), ("decide", 5), ("activate", 5)])
async def test_the_scope_limits_what_new_events_do(
    client: Caller, make: Make, drain: Drain, scope: str, score: int
) -> None:
    await make.rule("page_view", 5)
    await set_(client, "page_view", max_processing_scope=scope)
    await make.event()
    await drain()
    assert await make.score() == score
    assert len((await client.get("/lead/lead-1/sessions")).json()) == 1
    assert (await client.get("/events/lead-1")).json()[0]["event_type"] == "page_view"


async def test_a_rescore_applies_the_current_scope_to_old_events(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.event()
    await drain()
    await set_(client, "page_view", max_processing_scope="observe")
    await client.post("/admin/rescore")
    await drain_jobs()
    assert await make.score() == 0


async def test_a_change_is_a_version_of_the_configuration(client: Caller, make: Make, database: TestDatabase) -> None:
    await make.rule("page_view")
    versions = "SELECT config_version FROM org_units WHERE unit_id = $1"
    before = await database.fetchval(versions, client.unit_id)
    await set_(client, "page_view", hidden=True)
    await set_(client, "page_view", hidden=True)
    assert await database.fetchval(versions, client.unit_id) == before + 1


async def test_a_change_returns_the_type_if_the_client_prefers_it(client: Caller, make: Make, drain: Drain) -> None:
    await make.event("Page View / Home")
    await drain()
    read = (await client.get(PATH)).json()[0]
    prefer = {"Prefer": "return=representation"}
    path = f"{PATH}/{quote('Page View / Home', safe='')}"
    response = await client.put(path, json={**read, "hidden": True}, headers=prefer)
    assert (response.status_code, response.json()) == (200, {**read, "hidden": True})
    assert (await client.get(PATH)).json() == [response.json()]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"max_processing_scope": "everything"}, "max_processing_scope"),
        ({"max_processing_scope": None}, "max_processing_scope"),
        ({"hidden": "yes"}, "hidden"),
        ({"hidden": None}, "hidden"),
        ({"visible": True}, "visible"),
        ([], "body"),
    ],
)
async def test_an_invalid_setting_is_rejected(client: Caller, make: Make, body: Any, field: str) -> None:
    await make.rule("page_view")
    response = await client.put(f"{PATH}/page_view", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


async def test_only_owners_change_and_delete(viewer: Caller, operator: Caller, basic: Caller, make: Make) -> None:
    await make.rule("page_view")
    for caller in (viewer, operator, basic):
        assert (await caller.put(f"{PATH}/page_view", json={"hidden": True})).status_code == 403
        assert (await caller.delete(f"{PATH}/page_view/events")).status_code == 403
        assert (await caller.get(f"{PATH}/page_view/events/dry-run")).status_code == 200
        assert (await caller.get(PATH)).status_code == 200


async def test_an_unknown_type_is_not_found(client: Caller, stranger: Caller, make: Make) -> None:
    await make.rule("page_view")
    for caller, event_type in ((client, "unknown"), (stranger, "page_view")):
        assert (await caller.put(f"{PATH}/{event_type}", json={"hidden": True})).status_code == 404
        assert (await caller.get(f"{PATH}/{event_type}/events/dry-run")).status_code == 404
        assert (await caller.delete(f"{PATH}/{event_type}/events")).status_code == 404


async def test_hiding_a_type_hides_it_in_one_unit_only(client: Caller, stranger: Caller, make: Make) -> None:
    await make.rule("page_view")
    await make.by(stranger).rule("page_view")
    await set_(client, "page_view", hidden=True)
    assert await names(stranger) == ["page_view"]


async def scored_and_free(client: Caller, make: Make, drain: Drain) -> None:
    """Three page views of two leads, scored in two rulesets by rules that are deleted now, and two other events."""
    await make.rules({"Engagement": {"page_view": 5, "signup": 20}, "Other": {"page_view": 1}})
    await make.events(
        {"timestamp": "2025-03-01T12:00:00Z"},
        {"timestamp": "2025-03-01T12:01:00Z"},
        {"event_type": "signup", "timestamp": "2025-03-01T12:02:00Z"},
        {"lead_id": "b", "timestamp": "2025-03-01T12:00:00Z"},
        {"lead_id": "b", "event_type": "login", "timestamp": "2025-03-01T11:00:00Z"},
    )
    await drain()
    for rule in (await client.get("/rules")).json():
        if rule["event_type"] == "page_view":
            await client.delete(f"/rules/{rule['id']}")


async def test_a_dry_run_counts_and_changes_nothing(client: Caller, make: Make, drain: Drain) -> None:
    await scored_and_free(client, make, drain)
    for _ in range(2):
        response = await client.get(f"{PATH}/page_view/events/dry-run")
        assert (response.status_code, response.json()) == (200, {"events_count": 3, "event_scores_count": 6})


async def test_superseded_entries_are_not_counted(client: Caller, make: Make, drain: Drain) -> None:
    rule = await make.rule("page_view", 5, max_per_lead=1)
    for minute in (2, 1):
        await make.event(timestamp=f"2025-03-01T12:0{minute}:00Z")
        await drain()
    await client.delete(f"/rules/{rule['id']}")
    dry_run = await client.get(f"{PATH}/page_view/events/dry-run")
    assert dry_run.json() == {"events_count": 2, "event_scores_count": 1}
    assert await delete_all(client) == {"events_deleted": 2, "event_scores_deleted": 1}


async def test_scores_become_what_they_would_be_without_a_types_events(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await scored_and_free(client, make, drain)
    assert (await make.score(), await make.score("b")) == (30, 5)
    assert await delete_all(client) == {"events_deleted": 3, "event_scores_deleted": 6}
    assert (await make.score(), await make.score("b")) == (20, 0)
    assert await ledger.differences(database) == []
    last = (await client.get("/lead/b")).json()
    assert (last["last_event_at"], last["last_event_type"]) == ("2025-03-01T11:00:00Z", "login")
    assert await names(client) == ["login", "signup"]
    assert (await client.delete(f"{PATH}/page_view/events")).status_code == 404


async def test_a_type_that_is_still_used_stays_in_the_lists(client: Caller, make: Make, drain: Drain) -> None:
    rule = await make.rule("ruled")
    await client.put(f"/rules/{rule['id']}", json={"active": False})
    await make.events({"event_type": "ruled"}, {"event_type": "observed"})
    await drain()
    await set_(client, "observed", max_processing_scope="observe")
    assert await delete_all(client, "ruled") == {"events_deleted": 1, "event_scores_deleted": 0}
    assert await delete_all(client, "observed") == {"events_deleted": 1, "event_scores_deleted": 0}
    assert await names(client) == ["observed", "ruled"]


async def test_unprocessed_events_are_deleted_too_and_their_keys_stay_used(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.event(f"{MARK}_failed")
    await drain()
    await fail_event(client.unit_id, database)
    await make.events({"event_type": f"{MARK}_failed", "idempotency_key": "once"}, {"event_type": "other"})
    assert await delete_all(client, f"{MARK}_failed") == {"events_deleted": 3, "event_scores_deleted": 0}
    assert (await client.get("/admin/failed-events")).json() == []
    await make.event(f"{MARK}_failed", idempotency_key="once")
    await drain()
    assert [event["event_type"] for event in (await client.get("/events")).json()] == ["other"]


@pytest.mark.parametrize("event_type", ["ruled", "filtered", "DECAY"])
async def test_a_protected_types_events_are_not_deleted(
    client: Caller, make: Make, drain: Drain, event_type: str
) -> None:
    await make.rule("ruled")
    await make.filter("filtered")
    await make.event(event_type)
    await drain()
    assert (await client.delete(f"{PATH}/{event_type}/events")).status_code == 409
    assert (await settings_of(client))[event_type]["ou_event_count"] == 1


async def test_a_type_may_contain_slashes(client: Caller, make: Make, drain: Drain) -> None:
    odd = "a/events"
    await make.events({"event_type": odd}, {"event_type": "a"})
    await drain()
    assert (await client.get(f"{PATH}/a/events/events/dry-run")).json()["events_count"] == 1
    await set_(client, odd, max_processing_scope="observe")
    assert (await settings_of(client))["a"]["max_processing_scope"] == "activate"
    assert (await delete_all(client, odd))["events_deleted"] == 1
    assert (await client.get("/events")).json()[0]["event_type"] == "a"


@pytest.mark.usefixtures("impatient")
async def test_a_long_deletion_continues_as_a_job(client: Caller, make: Make, drain: Drain) -> None:
    await make.event("page_view")
    await drain()
    response = await client.delete(f"{PATH}/page_view/events")
    assert (response.status_code, response.json()["status"]) == (202, "queued")
    await drain_jobs()
    job = (await client.get(f"/jobs/{response.json()['job_id']}")).json()
    assert (job["status"], job["kind"]) == ("completed", "event_type_deletion")
    assert job["result"] == {"events_deleted": 1, "event_scores_deleted": 0}
    assert job["progress"] == {"done": 1, "total": 1}


@pytest.mark.usefixtures("impatient")
async def test_events_sent_after_the_request_are_not_deleted(client: Caller, make: Make, drain: Drain) -> None:
    await make.event(metadata={"n": 1})
    await drain()
    await client.delete(f"{PATH}/page_view/events")
    await make.event(metadata={"n": 2})
    await drain()
    await drain_jobs()
    assert [event["metadata"]["n"] for event in (await client.get("/events")).json()] == [2]
    assert await names(client) == ["page_view"]


@pytest.mark.usefixtures("impatient")
async def test_an_interrupted_deletion_continues_and_counts_all_events(
    client: Caller, make: Make, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make.rule("login", 5)
    await make.events(*({"lead_id": f"lead-{n}"} for n in range(5)))
    await drain()
    monkeypatch.setattr(tasks, "LEADS_PER_TRANSACTION", 2)
    reports, report = 0, tasks._report

    async def break_off(*arguments: Any) -> None:
        nonlocal reports
        reports += 1
        if reports == 2:
            raise ConnectionError("the worker's database is gone")
        await report(*arguments)

    monkeypatch.setattr(tasks, "_report", break_off)
    response = await client.delete(f"{PATH}/page_view/events")
    await drain_jobs()
    job = (await client.get(f"/jobs/{response.json()['job_id']}")).json()
    assert job["result"] == {"events_deleted": 5, "event_scores_deleted": 0}
    assert reports == 4
    assert (await client.get("/events")).json() == []


@pytest.mark.usefixtures("impatient")
async def test_events_that_a_merge_moves_during_the_deletion_are_found(
    client: Caller, make: Make, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make.events({"lead_id": "b"}, {"lead_id": "c"})
    await make.lead("a")
    await drain()
    monkeypatch.setattr(tasks, "LEADS_PER_TRANSACTION", 1)
    delete_some, merged = tasks._delete_some, False

    async def merge_between(*arguments: Any) -> Any:
        nonlocal merged
        reached = await delete_some(*arguments)
        if not merged:
            merged = True
            await client.post("/leads/merge", json={"targetLeadId": "a", "sourceLeadIds": ["c"]})
        return reached

    monkeypatch.setattr(tasks, "_delete_some", merge_between)
    await client.delete(f"{PATH}/page_view/events")
    await drain_jobs()
    assert (await client.get("/events")).json() == []


async def test_no_worker_uses_a_type_while_it_is_deleted(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    """A worker locks the configuration, so the type is deleted before the worker registers it, or not at all."""
    from leadvibe.core.scope import system_scope
    from leadvibe.events.types.repository import EventTypeSettings
    from leadvibe.rulesets.locks import share_configuration_locks

    await make.rule("page_view")
    scope = system_scope(client.org_id, client.unit_id)
    (rule,) = (await client.get("/rules")).json()
    await client.delete(f"/rules/{rule['id']}")

    async def forget() -> None:
        async with transaction(scope) as session:
            await EventTypeSettings(session, scope).delete_unused("page_view")

    async with transaction(scope) as session:
        await share_configuration_locks(session, [client.unit_id])
        forgetting = asyncio.create_task(forget())
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
        while not await database.fetchval(waits):
            assert not forgetting.done()
            await asyncio.sleep(0)
    await forgetting
    assert await names(client) == []
