"""`DELETE /events/batch`: scores become what they would be without the deleted events."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from support import ledger
from support.callers import Caller
from support.make import Make
from support.populated import fail_event
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]


async def delete(caller: httpx.AsyncClient, *ids: str, field: str = "ids") -> Any:
    response = await caller.request("DELETE", "/events/batch", json={field: list(ids)})
    assert response.status_code == 200, response.text
    return response.json()


async def ids_of(caller: httpx.AsyncClient, lead_id: str = "lead-1") -> list[str]:
    """Newest first."""
    return [event["id"] for event in (await caller.get("/events", params={"lead_id": lead_id})).json()]


@pytest.mark.parametrize("field", ["ids", "event_ids"])
async def test_the_score_is_what_it_would_be_without_them(
    client: Caller, make: Make, drain: Drain, database: TestDatabase, field: str
) -> None:
    await make.rule("visit", 10, max_per_lead=2)
    await make.rule("leave", -15)
    for minute, event_type in enumerate(("visit", "leave", "visit", "visit")):
        await make.event(event_type, timestamp=f"2025-03-01T00:0{minute}:00Z")
    await drain()
    assert await make.score() == 10
    last, _, leave, first = await ids_of(client)

    assert await delete(client, leave, first, field=field) == {"deleted": 2}
    assert await make.score() == 20
    assert await delete(client, last, leave) == {"deleted": 1}
    assert await make.score() == 10
    lead = (await client.get("/lead/lead-1")).json()
    assert (lead["last_event_at"], lead["last_event_type"]) == ("2025-03-01T00:02:00Z", "visit")
    assert await ledger.differences(database) == []


async def test_a_lead_without_events_is_like_a_new_lead(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.event()
    await drain()
    await delete(client, *await ids_of(client))
    lead = (await client.get("/lead/lead-1")).json()
    assert (lead["score"], lead["last_event_at"], lead["last_event_type"]) == (0, None, None)
    assert (await client.get("/lead/lead-1/sessions")).json() == []


async def test_the_remaining_events_of_a_session_are_still_a_session(client: Caller, make: Make, drain: Drain) -> None:
    for minute in range(3):
        await make.event(timestamp=f"2025-03-01T00:0{minute}:00Z")
    await drain()
    *_, first = await ids_of(client)
    await delete(client, first)
    sessions = (await client.get("/lead/lead-1/sessions")).json()
    assert [(session["start"], session["event_count"]) for session in sessions] == [("2025-03-01T00:01:00Z", 2)]


async def test_unprocessed_events_are_deleted_too(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    waiting = await make.event(idempotency_key="once")
    failed = await fail_event(client.unit_id, database)
    assert await delete(client, waiting["event_id"], failed) == {"deleted": 2}
    await drain()
    assert (await client.get("/events")).json() == []
    assert (await client.get("/admin/failed-events")).json() == []


async def test_the_key_of_a_deleted_event_stays_used(client: Caller, make: Make, drain: Drain) -> None:
    await make.event(idempotency_key="processed")
    await drain()
    waiting = await make.event(idempotency_key="waiting")
    await delete(client, waiting["event_id"], *await ids_of(client))
    await make.events({"idempotency_key": "processed"}, {"idempotency_key": "waiting"})
    await drain()
    assert await ids_of(client) == []


async def test_the_key_of_a_waiting_event_goes_with_the_lead_that_its_alias_names(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    cookies = [{"alias_kind": "cookie", "raw_value": value} for value in ("known", "new")]
    await make.event(aliases=cookies[:1])
    await drain()
    for aliases in (cookies, cookies[:1], cookies[1:]):
        waiting = await make.event(lead_id=None, aliases=aliases, idempotency_key=f"key {len(aliases)} {aliases[0]}")
        await delete(client, waiting["event_id"])
    keys = "SELECT array_agg(lead_id ORDER BY lead_id) FROM idempotency_keys"
    assert await database.fetchval(keys) == ["lead-1", "lead-1", None]
    await client.delete("/lead/lead-1")
    assert await database.fetchval(keys) == [None]


async def test_events_that_a_merge_left_behind_can_be_deleted(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.events({"timestamp": "2025-03-01T00:00:00Z"}, {"lead_id": "t"})
    await drain()
    left = await ids_of(client)
    truncate = {"policy": "before", "before": "2025-03-02T00:00:00Z"}
    await client.post("/leads/merge", json={"targetLeadId": "t", "sourceLeadIds": ["lead-1"], "truncate": truncate})
    assert await delete(client, *left) == {"deleted": 1}
    assert (await make.score("lead-1"), await make.score("t")) == (5, 5)


async def test_unknown_ids_are_ignored(client: Caller, stranger: Caller, make: Make, drain: Drain) -> None:
    await make.event()
    await drain()
    (event_id,) = await ids_of(client)
    waiting = (await make.event())["event_id"]
    assert await delete(stranger, event_id, waiting, "ev_nothing", "") == {"deleted": 0}
    assert await delete(client) == {"deleted": 0}
    await drain()
    assert len(await ids_of(client)) == 2


@pytest.mark.parametrize("body", [{}, {"ids": "ev_1"}, {"ids": None}, {"ids": [1]}, {"ids": ["ev_1"] * 1001}])
async def test_a_body_without_a_list_of_ids_is_rejected(client: Caller, body: Any) -> None:
    response = await client.request("DELETE", "/events/batch", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"].startswith("ids")


async def test_a_viewer_cannot_delete_events(viewer: Caller) -> None:
    assert (await viewer.request("DELETE", "/events/batch", json={"ids": []})).status_code == 403


async def test_rows_that_are_no_events_are_named_and_not_deleted(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rule("page_view", 12)
    await make.decay(inactive_for=1, unit="days", decrease=5)
    await database.execute("UPDATE config_versions SET created_at = created_at - interval '1 year'")
    await make.event(timestamp="2026-01-10T12:00:00Z")
    await make.event(lead_id="lead-2")
    await drain()
    await client.post("/leads/merge", json={"targetLeadId": "lead-1", "sourceLeadIds": ["lead-2"]})
    await client.post("/leads/lead-1/adjust-score", json={"points": 30})
    await client.post("/leads/lead-1/reset-scores")
    rows = {row["event_type"]: row["id"] for row in (await client.get("/events/lead-1")).json()}
    decay, adjustment, reset, merged = (
        rows[name] for name in ("DECAY", "score_adjusted", "score_reset", "lead_merged")
    )

    answer = await delete(client, decay, rows["page_view"], adjustment, reset, "ev_" + "0" * 32, merged)

    assert answer == {
        "deleted": 1,
        "warnings": [
            f"ids.0: {decay} is a decay step and no event, so it was not deleted",
            f"ids.2: {adjustment} is an adjustment and no event, so it was not deleted",
            f"ids.3: {reset} is a reset and no event, so it was not deleted",
            f"ids.5: {merged} is a merge and no event, so it was not deleted",
        ],
    }
    assert len((await client.get("/events/lead-1", params={"event_type": "score_adjusted"})).json()) == 1
