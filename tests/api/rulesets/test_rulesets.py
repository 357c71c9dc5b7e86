"""Engagement rulesets."""

import json
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make


async def primary_of(client: Caller) -> dict[str, Any]:
    (primary,) = [each for each in (await client.get("/rulesets")).json() if each["is_primary"]]
    return primary


async def test_a_new_ou_has_one_primary_ruleset_named_engagement(client: Caller) -> None:
    (ruleset,) = (await client.get("/rulesets")).json()
    assert ruleset["name"] == "Engagement"
    assert ruleset["is_primary"]
    assert ruleset["active"]
    assert (await client.get(f"/rulesets/{ruleset['ruleset_id']}/rules")).json() == []


async def test_a_new_ruleset_is_returned_with_all_fields(client: Caller) -> None:
    response = await client.post("/rulesets", json={"name": "Marketing", "start_at": "2026-01-01T01:00:00+01:00"})
    assert response.status_code == 201
    ruleset = response.json()
    assert ruleset["ruleset_id"].startswith("rs_")
    assert ruleset == {
        "id": ruleset["ruleset_id"],
        "ruleset_id": ruleset["ruleset_id"],
        "org_id": client.org_id,
        "unit_id": client.unit_id,
        "name": "Marketing",
        "score_column": "total_score",
        "is_primary": False,
        "active": True,
        "start_at": "2026-01-01T00:00:00Z",
        "end_at": None,
        "created_at": ruleset["created_at"],
        "updated_at": ruleset["updated_at"],
        "created_by": client.who.member_id,
        "updated_by": client.who.member_id,
    }
    assert ruleset in (await client.get("/rulesets")).json()


async def test_a_ruleset_can_be_read_by_its_id(viewer: Caller, neighbour: Caller, stranger: Caller, make: Make) -> None:
    made = await make.ruleset()
    response = await viewer.get(f"/rulesets/{made['id']}")
    assert (response.status_code, response.json()) == (200, made)
    for other in (neighbour, stranger):
        assert (await other.get(f"/rulesets/{made['id']}")).status_code == 404
    assert (await viewer.get("/rulesets/rs_unknown")).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\ud800"}, "name"),
        ({"name": 5}, "name"),
        ({"name": None}, "name"),
        ({"name": "A", "active": "true"}, "active"),
        ({"name": "A", "active": None}, "active"),
        ({"name": "A", "is_primary": 1}, "is_primary"),
        ({"name": "A", "colour": "red"}, "colour"),
        ({"name": "A", "start_at": "2026-01-01T00:00:00"}, "start_at"),
        ({"name": "A", "start_at": 5}, "start_at"),
        ({"name": "A", "start_at": "2026-01-02T00:00:00Z", "end_at": "2026-01-02T01:00:00+01:00"}, "end_at"),
    ],
)
async def test_the_error_names_the_invalid_field(client: Caller, body: Any, field: str) -> None:
    response = await client.post("/rulesets", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_read_only_fields_are_ignored(client: Caller, make: Make) -> None:
    made = await make.ruleset("Marketing")
    sent = {**made, "name": "Sales", "ruleset_id": "rs_mine", "id": 7, "unit_id": "another", "created_by": "me"}
    response = await client.post("/rulesets", json=sent)
    assert response.status_code == 201
    assert response.json()["unit_id"] == client.unit_id
    assert response.json()["ruleset_id"] not in {"rs_mine", made["ruleset_id"]}


async def test_a_second_ruleset_with_the_same_name_is_a_conflict(client: Caller, make: Make) -> None:
    first = await make.ruleset("Marketing")
    second = await make.ruleset("Sales")
    assert (await client.post("/rulesets", json={"name": " Marketing "})).status_code == 409
    assert (await client.put(f"/rulesets/{second['id']}", json={"name": "Marketing"})).status_code == 409
    assert (await client.put(f"/rulesets/{first['id']}", json={"name": "Marketing"})).status_code == 204


async def test_a_ruleset_of_another_ou_can_have_the_same_name(make: Make, neighbour: Caller) -> None:
    await make.ruleset("Marketing")
    await make.by(neighbour).ruleset("Marketing")


async def test_an_update_changes_only_the_fields_sent(client: Caller, operator: Caller, make: Make) -> None:
    ruleset = await make.ruleset("Marketing", start_at="2026-01-01T00:00:00Z", score_column="points")
    response = await operator.put(f"/rulesets/{ruleset['id']}", json={"active": False})
    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get("/rulesets")).json()[1] == {
        **ruleset,
        "active": False,
        "updated_by": operator.who.member_id,
        "updated_at": (await client.get("/rulesets")).json()[1]["updated_at"],
    }


async def test_an_update_returns_the_object_if_the_client_prefers_that(client: Caller, make: Make) -> None:
    ruleset = await make.ruleset("Marketing", start_at="2026-01-01T00:00:00Z")
    response = await client.put(
        f"/rulesets/{ruleset['id']}", json={"start_at": None}, headers={"Prefer": "return=representation"}
    )
    assert response.status_code == 200
    assert response.headers["Preference-Applied"] == "return=representation"
    assert response.json()["start_at"] is None
    assert response.json()["name"] == "Marketing"


@pytest.mark.parametrize("field", ["name", "score_column", "is_primary", "active"])
async def test_null_is_refused_for_required_fields(client: Caller, make: Make, field: str) -> None:
    ruleset = await make.ruleset()
    response = await client.put(f"/rulesets/{ruleset['id']}", json={field: None})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


async def test_a_new_end_is_checked_against_the_existing_start(client: Caller, make: Make) -> None:
    ruleset = await make.ruleset(start_at="2026-02-01T00:00:00Z")
    response = await client.put(f"/rulesets/{ruleset['id']}", json={"end_at": "2026-02-01T00:00:00Z"})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "end_at"
    both = {"start_at": None, "end_at": "2026-02-01T00:00:00Z"}
    assert (await client.put(f"/rulesets/{ruleset['id']}", json=both)).status_code == 204


async def test_a_new_primary_ruleset_replaces_the_old_one(client: Caller, make: Make) -> None:
    first = await primary_of(client)
    second = await make.ruleset(is_primary=True)
    assert (await primary_of(client))["id"] == second["id"]
    assert (await client.put(f"/rulesets/{first['id']}", json={"is_primary": True})).status_code == 204
    assert (await primary_of(client))["id"] == first["id"]
    assert (await client.put(f"/rulesets/{first['id']}", json={"is_primary": True})).status_code == 204
    assert (await primary_of(client))["id"] == first["id"]


async def test_the_primary_ruleset_cant_be_deleted_while_there_are_others(client: Caller, make: Make) -> None:
    await make.ruleset()
    primary = await primary_of(client)
    assert (await client.put(f"/rulesets/{primary['id']}", json={"is_primary": False})).status_code == 409
    assert (await client.delete(f"/rulesets/{primary['id']}")).status_code == 409
    assert (await primary_of(client))["id"] == primary["id"]


async def test_the_last_ruleset_can_be_deleted_and_the_next_one_is_primary(client: Caller, make: Make) -> None:
    primary = await primary_of(client)
    assert (await client.delete(f"/rulesets/{primary['id']}")).status_code == 204
    assert (await client.get("/rulesets")).json() == []
    assert (await make.ruleset(is_primary=False))["is_primary"]


async def test_deleting_a_ruleset_deletes_its_rules(client: Caller, make: Make) -> None:
    ruleset = await make.ruleset()
    await make.rule(ruleset_id=ruleset["id"])
    other = await make.rule()
    assert (await client.delete(f"/rulesets/{ruleset['id']}")).status_code == 204
    assert [rule["id"] for rule in (await client.get("/rules")).json()] == [other["id"]]
    assert (await client.get(f"/rulesets/{ruleset['id']}/rules")).status_code == 404


async def test_a_ruleset_of_another_ou_is_404(client: Caller, neighbour: Caller, stranger: Caller, make: Make) -> None:
    ruleset = await make.ruleset("Marketing")
    for other in (neighbour, stranger):
        assert (await other.get(f"/rulesets/{ruleset['id']}/rules")).status_code == 404
        assert (await other.put(f"/rulesets/{ruleset['id']}", json={"name": "Mine"})).status_code == 404
        assert (await other.delete(f"/rulesets/{ruleset['id']}")).status_code == 404
        assert ruleset["id"] not in [each["id"] for each in (await other.get("/rulesets")).json()]
    assert ruleset in (await client.get("/rulesets")).json()


async def test_an_unknown_id_is_404_and_a_nul_character_is_400(client: Caller) -> None:
    assert (await client.put("/rulesets/rs_unknown", json={"name": "A"})).status_code == 404
    assert (await client.delete("/rulesets/rs_unknown")).status_code == 404
    assert (await client.delete("/rulesets/a%00b")).status_code == 400


async def test_viewers_can_only_read_and_credentials_can_write(viewer: Caller, basic: Caller, make: Make) -> None:
    ruleset = await make.ruleset()
    assert (await viewer.get("/rulesets")).status_code == 200
    assert (await viewer.post("/rulesets", json={"name": "Mine"})).status_code == 403
    assert (await viewer.put(f"/rulesets/{ruleset['id']}", json={"name": "Mine"})).status_code == 403
    assert (await viewer.delete(f"/rulesets/{ruleset['id']}")).status_code == 403
    made = await basic.post("/rulesets", json={"name": "A program's"})
    assert made.status_code == 201
    assert (await basic.delete(f"/rulesets/{made.json()['id']}")).status_code == 204
