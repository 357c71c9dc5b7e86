"""The country of an OU's local phone numbers."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leadvibe.access.authentication.credential_cache import credential_cache
from support.callers import Caller
from support.importing import imported
from support.make import Make
from support.postgres import TestDatabase
from support.waiting import eventually

Drain = Callable[[], Awaitable[None]]

LOCAL = "0151 1234 5678"
EVENT = {"event_type": "signup", "aliases": [{"alias_kind": "phone", "raw_value": LOCAL}]}


async def phones(database: TestDatabase) -> list[str]:
    return [row["value"] for row in await database.fetch("SELECT value FROM aliases WHERE kind = 'phone'")]


@pytest.mark.parametrize(("sent", "region"), [("DE", "DE"), ("us", "US"), (None, None)])
async def test_an_owner_sets_the_phone_region(client: Caller, sent: str | None, region: str | None) -> None:
    path = f"/org-units/{client.unit_id}"
    response = await client.put(path, json={"name": "Sales", "phone_region": sent})
    assert (response.status_code, response.json()["phone_region"]) == (200, region)
    assert (await client.get(path)).json()["phone_region"] == region


async def test_a_phone_region_stays_until_it_is_sent(client: Caller, make: Make) -> None:
    path = f"/org-units/{client.unit_id}"
    await make.phone_region(client.unit_id, "DE")
    assert (await client.put(path, json={"name": "Vertrieb"})).json()["phone_region"] == "DE"
    assert (await client.put(path, json={"name": "Vertrieb", "phone_region": None})).json()["phone_region"] is None


@pytest.mark.parametrize("region", ["", "D", "XX", "Germany", "+49", 49, ["DE"]])
async def test_an_unknown_phone_region_is_refused(client: Caller, region: Any) -> None:
    response = await client.put(f"/org-units/{client.unit_id}", json={"name": "Sales", "phone_region": region})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "phone_region")


async def test_only_an_owner_sets_the_phone_region(operator: Caller, viewer: Caller, basic: Caller) -> None:
    for caller in (operator, viewer, basic):
        body = {"name": "Sales", "phone_region": "DE"}
        assert (await caller.put(f"/org-units/{caller.unit_id}", json=body)).status_code == 403


async def _by_event(client: Caller) -> None:
    (await client.post("/ingest", json=EVENT)).raise_for_status()


async def _by_batch(client: Caller) -> None:
    (await client.post("/ingest/batch", json=[EVENT])).raise_for_status()


async def _by_csv(client: Caller) -> None:
    content = f"event_type,phone\nsignup,{LOCAL}\n".encode()
    (await client.post("/import", files={"file": ("a.csv", content)})).raise_for_status()


async def _by_lead_import(client: Caller) -> None:
    await imported(client, f"Phone\n{LOCAL}\n".encode(), primary_identifier={"column": "Phone", "kind": "phone"})


async def _by_order(client: Caller) -> None:
    order = {"order_id": "1", "amount": "1.00", "currency": "EUR", "aliases": EVENT["aliases"]}
    (await client.post("/orders", json=order)).raise_for_status()


PATHS = (_by_event, _by_batch, _by_csv, _by_lead_import, _by_order)


@pytest.mark.parametrize("send", PATHS)
@pytest.mark.parametrize(
    ("region", "value"), [("DE", "+4915112345678"), ("FR", "+3315112345678"), (None, "015112345678")]
)
async def test_a_local_number_gets_the_country_of_the_ou_on_every_path(
    client: Caller,
    make: Make,
    drain: Drain,
    database: TestDatabase,
    send: Callable[[Caller], Awaitable[None]],
    *,
    region: str | None,
    value: str,
) -> None:
    await make.phone_region(client.unit_id, region)
    await send(client)
    await drain()
    assert await phones(database) == [value]


async def test_a_new_phone_region_counts_at_once_for_a_credential_too(
    client: Caller, basic: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    async def is_cached() -> bool:
        await basic.get("/org-units")
        return bool(credential_cache._scopes)

    await eventually(is_cached)  # not before the process listens for changes
    await make.phone_region(client.unit_id, "DE")
    await _by_event(basic)
    await drain()
    assert await phones(database) == ["+4915112345678"]
