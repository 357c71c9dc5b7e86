"""Failed events: admins list and retry them."""

from typing import Any
from uuid import UUID

import pytest

from leadvibe.core.ids import new_uuid, show
from leadvibe.identity.aliases import Identifier
from leadvibe.ingest.inbox import AcceptedEvent, encode, route_of
from support.callers import Caller
from support.postgres import TestDatabase

EVENT = AcceptedEvent(
    event_type="signup",
    lead_id=None,
    aliases=[Identifier("email", "ada@example.com", "Ada@example.com")],
    timestamp=1_755_259_200_000_000,
    metadata=b'{"a":1}',
    channel=None,
    idempotency_key="k",
)


async def fail(database: TestDatabase, unit_id: str, body: bytes | None = None, number: int = 0) -> UUID:
    event_id = new_uuid()
    await database.execute(
        "INSERT INTO failed_events (unit_id, event_id, route, received_at, failed_at, error, body)"
        " VALUES ($1, $2, $3, '2025-08-15T12:00:00Z', '2025-08-15T12:00:01Z'::timestamptz + $4 * interval '1s',"
        " 'ValueError: no', $5)",
        unit_id,
        event_id,
        route_of(unit_id, EVENT),
        number,
        encode(EVENT) if body is None else body,
    )
    return event_id


async def test_a_failed_event_is_shown_with_its_error(client: Caller, database: TestDatabase) -> None:
    event_id = show("ev", await fail(database, client.unit_id))
    response = await client.get("/admin/failed-events")
    assert response.status_code == 200
    assert response.headers["x-total-count"] == "1"
    assert response.json() == [
        {
            "id": event_id,
            "event_id": event_id,
            "unit_id": client.unit_id,
            "received_at": "2025-08-15T12:00:00Z",
            "failed_at": "2025-08-15T12:00:01Z",
            "error": "ValueError: no",
            "event": {
                "event_type": "signup",
                "lead_id": None,
                "aliases": [{"alias_kind": "email", "raw_value": "Ada@example.com"}],
                "timestamp": "2025-08-15T12:00:00Z",
                "metadata": {"a": 1},
                "idempotency_key": "k",
                "skip_triggers": False,
            },
        }
    ]


async def test_the_newest_comes_first_page_by_page(client: Caller, database: TestDatabase) -> None:
    ids = [show("ev", await fail(database, client.unit_id, number=number)) for number in range(3)]

    async def page(number: int) -> list[Any]:
        response = await client.get("/admin/failed-events", params={"limit": 2, "page": number})
        return [event["id"] for event in response.json()]

    assert await page(1) == [ids[2], ids[1]]
    assert await page(2) == [ids[0]]


async def test_an_event_that_cannot_be_decoded_is_listed(client: Caller, database: TestDatabase) -> None:
    await fail(database, client.unit_id, b"\xff")
    assert (await client.get("/admin/failed-events")).json()[0]["event"] is None


async def test_a_retried_event_returns_to_the_inbox_unchanged(client: Caller, database: TestDatabase) -> None:
    event_id = await fail(database, client.unit_id)
    response = await client.post(f"/admin/failed-events/{show('ev', event_id)}/retry")
    assert response.status_code == 202
    assert response.json() == {"message": "event queued", "event_id": show("ev", event_id)}
    row = await database.fetchrow("SELECT * FROM inbox")
    assert row is not None
    assert (row["event_id"], row["unit_id"], row["body"]) == (event_id, client.unit_id, encode(EVENT))
    assert row["received_at"].isoformat() == "2025-08-15T12:00:00+00:00"
    assert (await client.get("/admin/failed-events")).json() == []


async def test_a_retried_event_is_scored(client: Caller, database: TestDatabase, drain: Any, make: Any) -> None:
    await make.rule(event_type="signup", weight=7)
    event_id = await fail(database, client.unit_id)
    await client.post(f"/admin/failed-events/{show('ev', event_id)}/retry")
    await drain()
    assert await database.fetchval("SELECT sum(score) FROM lead_scores WHERE unit_id = $1", client.unit_id) == 7


async def test_an_event_can_be_retried_only_once(client: Caller, database: TestDatabase) -> None:
    path = f"/admin/failed-events/{show('ev', await fail(database, client.unit_id))}/retry"
    assert (await client.post(path)).status_code == 202
    assert (await client.post(path)).status_code == 404


@pytest.mark.parametrize("event_id", ["ev_00000000000070008000000000000000", "nonsense", "ev_%00"])
async def test_an_unknown_event_is_not_found(client: Caller, event_id: str) -> None:
    assert (await client.post(f"/admin/failed-events/{event_id}/retry")).status_code == 404


async def test_only_an_admin_sees_or_retries_them(
    operator: Caller, viewer: Caller, basic: Caller, anonymous: Caller, database: TestDatabase
) -> None:
    path = f"/admin/failed-events/{show('ev', await fail(database, operator.unit_id))}/retry"
    for caller, status in ((operator, 403), (viewer, 403), (basic, 403), (anonymous, 401)):
        assert (await caller.get("/admin/failed-events")).status_code == status
        assert (await caller.post(path)).status_code == status
    assert await database.fetchval("SELECT count(*) FROM failed_events") == 1


async def test_failed_events_of_another_ou_are_not_found(
    client: Caller, stranger: Caller, database: TestDatabase
) -> None:
    event_id = show("ev", await fail(database, stranger.unit_id))
    assert (await client.get("/admin/failed-events")).json() == []
    assert (await client.post(f"/admin/failed-events/{event_id}/retry")).status_code == 404
    assert [event["id"] for event in (await stranger.get("/admin/failed-events")).json()] == [event_id]
