"""Objects can be sent back as they were read: read-only fields are ignored, and nothing changes."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from support.callers import Caller
from support.make import Make
from support.populated import Populated, populate
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

OBJECTS = [
    "/rulesets/{id}",
    "/rules/{id}",
    "/decays/{id}",
    "/filters/{id}",
    "/settings/ou/surge-policy",
    "/settings/scoring",
    "/secrets/{id}",
    "/members/{id}",
    "/org-units/{id}",
    "/org-units/{id}/members/{member_id}",
    "/lead/{lead_id}",
    "/leads/{lead_id}",
]
"""Every object that has a GET and a PUT at one path."""
CHANGED_BY_WRITING = {"updated_at", "updated_by", "lead"}
UNKNOWN = {"a_field_that_no_object_has": 1}


@pytest.fixture
async def populated(client: Caller, drain: Drain, database: TestDatabase) -> Populated:
    return await populate(client, drain, database)


def lasting(read: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in read.items() if name not in CHANGED_BY_WRITING}


@pytest.mark.parametrize("path", OBJECTS)
async def test_an_object_can_be_sent_back_as_read(client: Caller, populated: Populated, path: str) -> None:
    path = populated.fill(path)
    read = (await client.get(path)).json()
    response = await client.put(path, json=read)
    assert response.is_success, response.text
    assert lasting((await client.get(path)).json()) == lasting(read)


@pytest.mark.parametrize("path", OBJECTS)
async def test_a_field_that_no_read_shows_is_refused(client: Caller, populated: Populated, path: str) -> None:
    path = populated.fill(path)
    response = await client.put(path, json=(await client.get(path)).json() | UNKNOWN)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, *UNKNOWN)


async def test_an_order_can_be_sent_back_as_read(client: Caller, populated: Populated) -> None:
    (read,) = (await client.get("/orders")).json()
    assert (await client.post("/orders", json=read)).status_code == 200
    (order,) = (await client.get("/orders")).json()
    assert lasting(order) == lasting(read)


async def test_the_settings_of_an_event_type_can_be_sent_back_as_read(client: Caller, populated: Populated) -> None:
    for read in (await client.get("/settings/ou/event-types")).json():
        path = f"/settings/ou/event-types/{quote(read['name'], safe='')}"
        assert (await client.put(path, json=read)).status_code == 204


@pytest.mark.parametrize("path", ["/rules/{id}", "/decays/{id}", "/filters/{id}", "/lead/{lead_id}"])
async def test_a_deleted_object_can_be_created_again_as_read(
    client: Caller, populated: Populated, drain: Drain, path: str
) -> None:
    filled = populated.fill(path)
    read = (await client.get(filled)).json()
    assert (await client.delete(filled)).is_success
    created = await client.post(path.rpartition("/")[0], json=read)
    assert created.status_code == 201, created.text


async def test_a_lead_can_be_created_with_either_or_both_names_of_its_id(client: Caller, make: Make) -> None:
    for body in ({"id": "a"}, {"lead_id": "b"}, {"id": "c", "lead_id": "c"}):
        assert (await client.post("/leads", json=body)).status_code == 201
    assert (await client.post("/leads", json={"id": "d", "lead_id": "e"})).status_code == 400
