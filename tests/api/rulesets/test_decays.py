"""Decay rules."""

from typing import Any

import pytest

from support.callers import Caller
from support.make import Make


async def decay_of(client: Caller, decay_id: str) -> dict[str, Any]:
    return (await client.get(f"/decays/{decay_id}")).json()


async def test_a_new_decay_rule_is_returned_with_all_fields(client: Caller) -> None:
    response = await client.post("/decays", json={"inactive_for": 30, "unit": "days", "decrease": 25})
    assert response.status_code == 201
    decay = response.json()
    assert decay["decay_id"].startswith("dc_")
    assert decay == {
        "id": decay["decay_id"],
        "decay_id": decay["decay_id"],
        "org_id": client.org_id,
        "unit_id": client.unit_id,
        "name": None,
        "inactive_for": 30,
        "unit": "days",
        "decrease": 25,
        "active": True,
        "created_at": decay["created_at"],
        "updated_at": decay["updated_at"],
        "created_by": client.who.member_id,
        "updated_by": client.who.member_id,
    }
    assert (await client.get("/decays")).json() == [decay]


async def test_a_decay_rule_can_be_read_by_its_id(
    viewer: Caller, neighbour: Caller, stranger: Caller, make: Make
) -> None:
    made = await make.decay()
    response = await viewer.get(f"/decays/{made['id']}")
    assert (response.status_code, response.json()) == (200, made)
    for other in (neighbour, stranger):
        assert (await other.get(f"/decays/{made['id']}")).status_code == 404
    assert (await viewer.get("/decays/dc_unknown")).status_code == 404


async def test_alternative_field_names_are_accepted(client: Caller) -> None:
    alternative = {"name": "7-Day Inactivity Decay", "points": -5, "interval_days": 7, "active": False}
    response = await client.post("/decays", json=alternative)
    assert response.status_code == 201
    decay = response.json()
    assert (decay["name"], decay["active"]) == ("7-Day Inactivity Decay", False)
    assert (decay["inactive_for"], decay["unit"], decay["decrease"]) == (7, "days", 5)
    await client.put(f"/decays/{decay['id']}", json={"unit": "weeks", "inactive_for": 2})
    assert (await client.put(f"/decays/{decay['id']}", json={"interval_days": 3, "points": 9})).status_code == 204
    changed = await decay_of(client, decay["id"])
    assert (changed["inactive_for"], changed["unit"], changed["decrease"]) == (3, "days", 9)


@pytest.mark.parametrize("decrease", [-25, 25])
async def test_a_decrease_can_have_either_sign(make: Make, decrease: int) -> None:
    assert (await make.decay(decrease=decrease))["decrease"] == 25


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"inactive_for": 0}, "inactive_for"),
        ({"inactive_for": -1}, "inactive_for"),
        ({"inactive_for": 1.5}, "inactive_for"),
        ({"inactive_for": "7"}, "inactive_for"),
        ({"inactive_for": None}, "inactive_for"),
        ({"inactive_for": 100_001}, "inactive_for"),
        ({"unit": "months"}, "unit"),
        ({"unit": None}, "unit"),
        ({"decrease": 0}, "decrease"),
        ({"decrease": 2.5}, "decrease"),
        ({"decrease": True}, "decrease"),
        ({"decrease": 2**31}, "decrease"),
        ({"decrease": -(2**31)}, "decrease"),
        ({"active": "no"}, "active"),
        ({"name": "a\x00"}, "name"),
        ({"points": 5}, "points"),
        ({"interval_days": 5}, "interval_days"),
        ({"ruleset_id": "rs_1"}, "ruleset_id"),
    ],
)
async def test_the_error_names_the_invalid_field(client: Caller, make: Make, body: Any, field: str) -> None:
    valid = {"inactive_for": 7, "unit": "days", "decrease": 5}
    response = await client.post("/decays", json={**valid, **body})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field
    decay = await make.decay()
    if field not in {"points", "interval_days"}:
        assert (await client.put(f"/decays/{decay['id']}", json=body)).status_code == 400
        assert await decay_of(client, decay["id"]) == decay


@pytest.mark.parametrize("missing", ["inactive_for", "unit", "decrease"])
async def test_a_decay_rule_requires_its_numbers(client: Caller, missing: str) -> None:
    body = {"inactive_for": 7, "unit": "days", "decrease": 5}
    del body[missing]
    response = await client.post("/decays", json=body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [missing]


async def test_an_update_changes_only_the_fields_sent(client: Caller, make: Make) -> None:
    decay = await make.decay(name="Weekly")
    assert (await client.put(f"/decays/{decay['id']}", json={"decrease": 9})).status_code == 204
    changed = await decay_of(client, decay["id"])
    assert changed == {**decay, "decrease": 9, "updated_at": changed["updated_at"]}
    response = await client.put(
        f"/decays/{decay['id']}", json={"name": None}, headers={"Prefer": "return=representation"}
    )
    assert (response.status_code, response.json()["name"]) == (200, None)


async def test_a_deleted_decay_rule_no_longer_exists(client: Caller, make: Make) -> None:
    decay = await make.decay()
    assert (await client.delete(f"/decays/{decay['id']}")).status_code == 204
    assert (await client.get("/decays")).json() == []
    assert (await client.delete(f"/decays/{decay['id']}")).status_code == 404
    assert (await client.put(f"/decays/{decay['id']}", json={"decrease": 1})).status_code == 404


async def test_a_decay_rule_of_another_ou_is_404(
    client: Caller, neighbour: Caller, stranger: Caller, make: Make
) -> None:
    decay = await make.decay()
    for other in (neighbour, stranger):
        assert (await other.put(f"/decays/{decay['id']}", json={"decrease": 1})).status_code == 404
        assert (await other.delete(f"/decays/{decay['id']}")).status_code == 404
        assert (await other.get("/decays")).json() == []
    assert await decay_of(client, decay["id"]) == decay


async def test_viewers_can_only_read_and_credentials_can_write(viewer: Caller, basic: Caller, make: Make) -> None:
    decay = await make.by(basic).decay()
    assert (await viewer.get("/decays")).json() == [decay]
    assert (await viewer.post("/decays", json={"inactive_for": 1, "unit": "days", "decrease": 1})).status_code == 403
    assert (await viewer.put(f"/decays/{decay['id']}", json={"decrease": 1})).status_code == 403
    assert (await viewer.delete(f"/decays/{decay['id']}")).status_code == 403
