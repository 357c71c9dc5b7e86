"""Orders of leads."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from leadvibe.core.ranges import Range
from leadvibe.orders.owner import lock_owner
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

EMAIL = {"alias_kind": "email", "raw_value": "Ada@Example.com "}


async def store(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    order = {"order_id": "o-1", "lead_id": "ada", "amount": "49.90", "currency": "EUR", **fields}
    return await client.post("/orders", json={name: value for name, value in order.items() if value is not ...})


async def listed(client: httpx.AsyncClient, **params: Any) -> list[str]:
    response = await client.get("/orders", params=params)
    assert response.status_code == 200, response.text
    return [order["order_id"] for order in response.json()]


async def aliases(client: httpx.AsyncClient, lead_id: str) -> list[str]:
    return [alias["value"] for alias in (await client.get(f"/lead/{lead_id}/aliases")).json()]


async def test_a_new_order_is_created_and_returned(client: Caller) -> None:
    response = await store(
        client, status="paid", timestamp="2025-03-01T10:00:00+02:00", metadata={"items": 2}, currency="eur"
    )
    assert response.status_code == 201
    order = response.json()
    assert order.pop("created_at") == order.pop("updated_at")
    assert order == {
        "id": "o-1",
        "order_id": "o-1",
        "type": "order",
        "org_id": client.org_id,
        "unit_id": client.unit_id,
        "lead_id": "ada",
        "amount": "49.90",
        "currency": "EUR",
        "status": "paid",
        "timestamp": "2025-03-01T08:00:00Z",
        "metadata": {"items": 2},
        "original_lead_id": None,
        "warnings": [],
    }
    del order["warnings"]
    assert (await client.get("/orders")).json()[0].items() >= order.items()


async def test_an_order_with_the_same_id_replaces_the_first(client: Caller) -> None:
    first = (await store(client, status="open", timestamp="2025-03-01T08:00:00Z", metadata={"items": 2})).json()
    response = await store(client, lead_id="bob", amount="-5", timestamp="2025-03-02T08:00:00Z")
    assert response.status_code == 200
    order = response.json()
    assert (order["lead_id"], order["amount"], order["status"], order["metadata"]) == ("bob", "-5", None, {})
    assert order["timestamp"] == "2025-03-02T08:00:00Z"
    assert order["created_at"] == first["created_at"]
    assert order["updated_at"] > first["updated_at"]
    assert await listed(client) == ["o-1"]


async def test_an_order_without_a_timestamp_gets_the_current_time_and_keeps_it_when_replaced(client: Caller) -> None:
    first = (await store(client)).json()
    assert first["timestamp"] >= first["created_at"]
    again = (await store(client, status="paid")).json()
    assert (again["timestamp"], again["status"]) == (first["timestamp"], "paid")


@pytest.mark.parametrize(
    ("timestamp", "status"),
    [
        ("2025-03-01T07:59:59.999999Z", "paid"),
        ("2025-03-01T09:59:59+02:00", "paid"),
        ("2025-03-01T08:00:00Z", "created"),
        ("2025-03-01T08:00:00.000001Z", "created"),
        (..., "created"),
    ],
)
async def test_an_order_that_is_older_than_the_stored_one_changes_nothing(
    client: Caller, timestamp: Any, status: str
) -> None:
    stored = (await store(client, status="paid", timestamp="2025-03-01T08:00:00Z", metadata={"items": 2})).json()
    response = await store(client, status="created", amount="1.00", lead_id="ada", timestamp=timestamp)
    assert response.status_code == 200
    (order,) = (await client.get("/orders")).json()
    assert response.json() == order | {"warnings": []}
    assert order["status"] == status
    assert (order | {"warnings": []} == stored) == (status == "paid")


async def test_an_older_order_creates_no_lead_and_attaches_no_alias(client: Caller) -> None:
    await store(client, timestamp="2025-03-01T08:00:00Z")
    older = await store(client, timestamp="2025-02-01T08:00:00Z", lead_id="bob", aliases=[EMAIL])
    assert (older.status_code, older.json()["lead_id"]) == (200, "ada")
    assert (await client.get("/lead/bob")).status_code == 404
    assert await aliases(client, "ada") == []


async def test_an_order_that_becomes_older_while_it_is_stored_changes_nothing(
    client: Caller, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(client, status="created", timestamp="2025-03-01T08:00:00Z")

    async def lock_after_a_later_order(*arguments: Any) -> Any:
        await database.execute("UPDATE orders SET status = 'paid', occurred_at = '2025-03-03T08:00:00Z'")
        return await lock_owner(*arguments)

    monkeypatch.setattr("leadvibe.orders.repository.lock_owner", lock_after_a_later_order)
    response = await store(client, status="sent", timestamp="2025-03-02T08:00:00Z")
    assert (response.status_code, response.json()["status"]) == (200, "paid")
    assert [order["status"] for order in (await client.get("/orders")).json()] == ["paid"]


async def test_an_order_finds_its_lead_by_alias(client: Caller, make: Make, drain: Drain) -> None:
    await make.event(lead_id="ada", aliases=[EMAIL])
    await drain()
    assert (await store(client, lead_id=..., aliases=[EMAIL])).json()["lead_id"] == "ada"


async def test_an_unknown_lead_is_created(client: Caller) -> None:
    order = (await store(client, lead_id=..., aliases=[EMAIL])).json()
    assert order["lead_id"].startswith("ld_")
    assert await aliases(client, order["lead_id"]) == ["ada@example.com"]
    assert (await store(client, order_id="o-2", lead_id=..., aliases=[EMAIL])).json()["lead_id"] == order["lead_id"]
    await store(client, order_id="o-3", lead_id="carl")
    lead = (await client.get("/lead/carl")).json()
    assert (lead["score"], lead["last_event_at"]) == (0, None)


async def test_aliases_are_attached_to_the_named_lead(client: Caller) -> None:
    await store(client, aliases=[EMAIL, {"alias_kind": "phone", "raw_value": "+49 (0) 30 1"}])
    assert sorted(await aliases(client, "ada")) == ["+49301", "ada@example.com"]


async def test_an_alias_of_another_lead_stays_there_and_both_timelines_show_the_conflict(client: Caller) -> None:
    await store(client, aliases=[EMAIL])
    await store(client, order_id="o-2", lead_id="bob", aliases=[EMAIL])
    assert (await aliases(client, "ada"), await aliases(client, "bob")) == (["ada@example.com"], [])
    for lead_id in ("ada", "bob"):
        (conflict,) = (await client.get(f"/events/{lead_id}")).json()
        assert (conflict["event_type"], conflict["metadata"]["holder"]) == ("alias_conflict", "ada")


async def test_an_order_is_never_scored(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("order", 50)
    await store(client)
    await drain()
    assert await make.score("ada") == 0
    assert (await client.get("/events")).json() == []


async def test_a_merge_moves_orders_and_keeps_their_original_lead(client: Caller, make: Make) -> None:
    await make.lead("target")
    await store(client, timestamp="2025-01-01T00:00:00Z")
    truncate = {"policy": "before", "before": "2025-06-01T00:00:00Z"}
    body = {"targetLeadId": "target", "sourceLeadIds": ["ada"], "truncate": truncate}
    assert (await client.post("/leads/merge", json=body)).status_code == 200
    (order,) = (await client.get("/orders")).json()
    assert (order["lead_id"], order["original_lead_id"]) == ("target", "ada")


async def test_an_order_for_a_merged_lead_goes_to_the_target(client: Caller, make: Make) -> None:
    await make.lead("target")
    await store(client, order_id="o-0", aliases=[EMAIL])
    await client.post("/leads/merge", json={"targetLeadId": "target", "sourceLeadIds": ["ada"]})
    by_id = (await store(client, order_id="o-1")).json()
    by_alias = (await store(client, order_id="o-2", lead_id=..., aliases=[EMAIL])).json()
    for order in (by_id, by_alias):
        assert (order["lead_id"], order["original_lead_id"]) == ("target", "ada")


async def test_new_aliases_of_a_merged_lead_are_attached_to_the_target(client: Caller, make: Make) -> None:
    await make.lead("target")
    await make.lead("ada")
    await client.post("/leads/merge", json={"targetLeadId": "target", "sourceLeadIds": ["ada"]})
    await store(client, aliases=[EMAIL])
    assert await aliases(client, "ada") == await aliases(client, "target") == ["ada@example.com"]


async def test_orders_are_deleted_with_their_lead(client: Caller, database: TestDatabase) -> None:
    await store(client)
    await client.delete("/lead/ada")
    assert await database.fetchval("SELECT count(*) FROM orders WHERE unit_id = $1", client.unit_id) == 0


async def test_an_order_after_a_deletion_creates_a_new_lead(client: Caller) -> None:
    await store(client, aliases=[EMAIL])
    await client.delete("/lead/ada")
    assert (await store(client)).status_code == 201
    assert (await client.get("/lead/ada")).status_code == 200
    assert await aliases(client, "ada") == []


async def test_concurrent_orders_of_one_new_lead_create_it_once(client: Caller) -> None:
    ids = [f"o-{number}" for number in range(8)]
    stored = await asyncio.gather(*(store(client, order_id=id_, lead_id=..., aliases=[EMAIL]) for id_ in ids))
    assert [response.status_code for response in stored] == [201] * 8
    assert len({response.json()["lead_id"] for response in stored}) == 1


async def test_one_order_sent_concurrently_several_times_is_stored_once(client: Caller) -> None:
    stored = await asyncio.gather(*(store(client, lead_id=f"lead-{number}") for number in range(8)))
    assert sorted(response.status_code for response in stored) == [200] * 7 + [201]
    assert await listed(client) == ["o-1"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"order_id": ...}, "order_id"),
        ({"order_id": ""}, "order_id"),
        ({"order_id": "a\nb"}, "order_id"),
        ({"lead_id": ...}, "lead_id"),
        ({"lead_id": None, "aliases": []}, "lead_id"),
        ({"lead_id": "a/b"}, "lead_id"),
        ({"lead_id": ".."}, "lead_id"),
        ({"aliases": [{"alias_kind": "fax", "raw_value": "1"}]}, "aliases.0.alias_kind"),
        ({"aliases": [{"alias_kind": "phone", "raw_value": "no digits"}]}, "aliases.0.raw_value"),
        ({"aliases": [EMAIL] * 51}, "aliases"),
        ({"amount": ...}, "amount"),
        ({"amount": 49.9}, "amount"),
        ({"amount": "49,90"}, "amount"),
        ({"amount": "1e5"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "1.0000001"}, "amount"),
        ({"amount": "1" * 16}, "amount"),
        ({"currency": ...}, "currency"),
        ({"currency": "euro"}, "currency"),
        ({"status": ""}, "status"),
        ({"timestamp": "2025-03-01T08:00:00"}, "timestamp"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": "\x00"}}, "metadata"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_an_invalid_order_is_reported(client: Caller, fields: dict[str, Any], field: str) -> None:
    response = await store(client, **fields)
    assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
    assert response.json()["errors"][0]["field"] == field
    assert await listed(client) == []
    assert (await client.get("/leads")).json()["total"] == 0


async def test_too_much_metadata_is_refused(client: Caller) -> None:
    assert (await store(client, metadata={"a": "x" * 102_400})).status_code == 413


async def test_a_viewer_can_read_but_not_store_orders(viewer: Caller, basic: Caller) -> None:
    assert (await store(viewer)).status_code == 403
    assert (await store(basic)).status_code == 201
    assert await listed(viewer) == ["o-1"]


async def test_two_ous_may_have_orders_with_the_same_id(client: Caller, stranger: Caller) -> None:
    await store(client)
    assert (await store(stranger, amount="1")).status_code == 201
    assert (await client.get("/orders")).json()[0]["amount"] == "49.90"


@pytest.fixture
async def four(client: Caller) -> None:
    for day, (lead_id, status) in enumerate([("ada", "paid"), ("bob", "paid"), ("ada", "open"), ("ada", "paid")], 1):
        await store(
            client, order_id=f"o-{day}", lead_id=lead_id, status=status, timestamp=f"2025-03-0{min(day, 3)}T00:00:00Z"
        )


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["o-4", "o-3", "o-2", "o-1"]),
        ({"lead_id": "ada"}, ["o-4", "o-3", "o-1"]),
        ({"lead_id": "unknown"}, []),
        ({"status": "open"}, ["o-3"]),
        ({"status": "paid", "lead_id": "bob"}, ["o-2"]),
        ({"range": "last_90d"}, []),
        ({"page": 2, "limit": 3}, ["o-1"]),
    ],
)
async def test_orders_are_listed_newest_first_and_filtered(
    client: Caller, params: dict[str, Any], expected: list[str]
) -> None:
    assert await listed(client, **params) == expected


@pytest.mark.usefixtures("four")
async def test_the_next_page_follows_the_last_order_even_if_new_orders_came(client: Caller) -> None:
    first = await client.get("/orders", params={"limit": 2, "status": "paid"})
    assert first.headers["X-Total-Count"] == "3"
    following = first.links["next"]["url"]
    await store(client, order_id="o-9", status="paid")
    second = await client.get(following)
    assert [order["order_id"] for order in second.json()] == ["o-1"]
    assert "next" not in second.links
    assert parse_qs(urlsplit(following).query)["status"] == ["paid"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"page": 0}, "page"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"range": "custom"}, "range"),
        ({"after": "nowhere"}, "after"),
        ({"after": "9999999999999999999999_o"}, "after"),
    ],
)
async def test_an_invalid_query_is_refused(client: Caller, params: dict[str, Any], field: str) -> None:
    response = await client.get("/orders", params=params)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


async def test_a_future_order_is_in_no_range_that_ends_today_or_now(client: Caller) -> None:
    await store(client, timestamp="2199-01-01T00:00:00Z")
    await store(client, order_id="o-2")
    narrowed = [name for name in Range if name not in {Range.ALL, Range.YESTERDAY}]
    assert [await listed(client, range=name) for name in narrowed] == [["o-2"]] * len(narrowed)
    assert await listed(client) == ["o-1", "o-2"]
    activity = (await client.get("/leads/ada/activity")).json()
    assert [order["order_id"] for order in activity["orders"]] == ["o-2"]
