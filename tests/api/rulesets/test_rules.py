"""Engagement rules."""

import json
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

BOT = {"field": "agent", "operator": "contains", "value": "bot"}


async def rule_of(client: Caller, rule_id: str) -> dict[str, Any]:
    return (await client.get(f"/rules/{rule_id}")).json()


async def invalid_field(client: Caller, body: dict[str, Any]) -> str:
    """The field that the error names when a rule is created with this body."""
    sent = json.dumps({"event_type": "signup", "weight": 5, **body})
    response = await client.post("/rules", content=sent, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text
    return response.json()["errors"][0]["field"]


async def test_a_rule_without_a_ruleset_belongs_to_the_primary_one(client: Caller) -> None:
    response = await client.post("/rules", json={"event_type": "email_open", "weight": 5, "active": True})
    assert response.status_code == 201
    rule = response.json()
    (ruleset,) = (await client.get("/rulesets")).json()
    assert rule["rule_id"].startswith("rl_")
    assert rule == {
        "id": rule["rule_id"],
        "rule_id": rule["rule_id"],
        "ruleset_id": ruleset["ruleset_id"],
        "org_id": client.org_id,
        "unit_id": client.unit_id,
        "event_type": "email_open",
        "weight": 5,
        "icon": None,
        "active": True,
        "start_at": None,
        "end_at": None,
        "attribute_filters": [],
        "max_per_lead": None,
        "created_at": rule["created_at"],
        "updated_at": rule["updated_at"],
        "created_by": client.who.member_id,
        "updated_by": client.who.member_id,
    }


async def test_a_rule_can_be_read_by_its_id(viewer: Caller, neighbour: Caller, stranger: Caller, make: Make) -> None:
    made = await make.rule()
    response = await viewer.get(f"/rules/{made['id']}")
    assert (response.status_code, response.json()) == (200, made)
    for other in (neighbour, stranger):
        assert (await other.get(f"/rules/{made['id']}")).status_code == 404
    assert (await viewer.get("/rules/rl_unknown")).status_code == 404


async def test_rules_are_listed_by_ruleset_and_together(client: Caller, make: Make) -> None:
    ruleset = await make.ruleset()
    primary = await make.rule("signup")
    other = await make.rule("signup", ruleset_id=ruleset["id"], active=False)
    assert (await client.get("/rules")).json() == [primary, other]
    assert (await client.get(f"/rulesets/{ruleset['id']}/rules")).json() == [other]
    assert (await client.get(f"/rulesets/{primary['ruleset_id']}/rules")).json() == [primary]


@pytest.mark.parametrize("weight", [2.5, 2.0, "5", True, None, 2**31, -(2**31) - 1, 10**400, [5]])
async def test_a_weight_must_be_a_32_bit_integer(client: Caller, weight: Any) -> None:
    assert await invalid_field(client, {"weight": weight}) == "weight"


@pytest.mark.parametrize("weight", [0, -50, 2**31 - 1, -(2**31)])
async def test_a_weight_can_be_negative_zero_or_large(make: Make, weight: int) -> None:
    assert (await make.rule(weight=weight))["weight"] == weight


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"event_type": None}, "event_type"),
        ({"event_type": " "}, "event_type"),
        ({"event_type": "x" * 201}, "event_type"),
        ({"event_type": "a\nb"}, "event_type"),
        ({"event_type": "a\x00b"}, "event_type"),
        ({"event_type": "a\udc00"}, "event_type"),
        ({"event_type": 5}, "event_type"),
        ({"active": "yes"}, "active"),
        ({"icon": "a\x00"}, "icon"),
        ({"start_at": "yesterday"}, "start_at"),
        ({"start_at": "2026-01-01"}, "start_at"),
        ({"end_at": "2026-01-01T00:00:00"}, "end_at"),
        ({"start_at": "2026-01-01T00:00:00Z", "end_at": "2026-01-01T00:00:00Z"}, "end_at"),
        ({"max_per_lead": 0}, "max_per_lead"),
        ({"max_per_lead": 1.0}, "max_per_lead"),
        ({"max_per_lead": 2**31}, "max_per_lead"),
        ({"ruleset_id": 5}, "ruleset_id"),
        ({"half_life_days": 5}, "half_life_days"),
    ],
)
async def test_the_error_names_the_invalid_field(client: Caller, body: Any, field: str) -> None:
    assert await invalid_field(client, body) == field


@pytest.mark.parametrize("missing", ["event_type", "weight"])
async def test_a_rule_requires_an_event_type_and_a_weight(client: Caller, missing: str) -> None:
    body = {"event_type": "signup", "weight": 5}
    del body[missing]
    response = await client.post("/rules", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == missing


async def test_a_body_that_is_not_an_object_is_refused(client: Caller) -> None:
    assert (await client.post("/rules", json=[])).status_code == 400
    broken = await client.post("/rules", content=b'{"event_type":', headers={"Content-Type": "application/json"})
    assert broken.status_code == 400


async def test_read_only_fields_are_ignored(client: Caller, make: Make) -> None:
    made = await make.rule("signup")
    sent = {**made, "event_type": "login", "rule_id": "rl_mine", "created_at": "whenever", "unit_id": 5}
    response = await client.post("/rules", json=sent)
    assert response.status_code == 201
    assert response.json()["rule_id"] not in {"rl_mine", made["rule_id"]}
    assert (await client.put(f"/rules/{made['id']}", json={**made, "weight": 9})).status_code == 204
    assert (await rule_of(client, made["id"]))["weight"] == 9


async def test_an_event_type_is_stripped_and_keeps_its_case(make: Make) -> None:
    assert (await make.rule(" Page/View "))["event_type"] == "Page/View"
    assert (await make.rule("page/view"))["event_type"] == "page/view"


async def test_the_event_type_of_a_rule_is_added_to_the_event_types(
    client: Caller, neighbour: Caller, make: Make
) -> None:
    rule = await make.rule("demo_request")
    assert "demo_request" in (await client.get("/event-types")).json()
    await client.put(f"/rules/{rule['id']}", json={"event_type": "trial_start"})
    assert {"demo_request", "trial_start"} <= set((await client.get("/event-types")).json())
    assert "demo_request" not in (await neighbour.get("/event-types")).json()


async def test_a_second_rule_for_an_event_type_is_a_conflict(client: Caller, make: Make) -> None:
    ruleset = await make.ruleset()
    first = await make.rule("signup")
    second = await make.rule("login")
    assert (await client.post("/rules", json={"event_type": "signup", "weight": 1})).status_code == 409
    assert (await client.put(f"/rules/{second['id']}", json={"event_type": "signup"})).status_code == 409
    elsewhere = await make.rule("signup", ruleset_id=ruleset["id"])
    moved = await client.put(f"/rules/{elsewhere['id']}", json={"ruleset_id": first["ruleset_id"]})
    assert moved.status_code == 409


async def test_rules_for_an_event_type_can_differ_in_their_filters(client: Caller, make: Make) -> None:
    await make.rule("signup")
    filtered = await make.rule("signup", attribute_filters=[BOT])
    assert filtered["attribute_filters"] == [BOT]
    human = {"field": "human", "operator": "is_not_empty"}
    await make.rule("signup", attribute_filters=[BOT, human])
    same = {"event_type": "signup", "weight": 1, "attribute_filters": [human, BOT]}
    assert (await client.post("/rules", json=same)).status_code == 409
    cleared = await client.put(f"/rules/{filtered['id']}", json={"attribute_filters": None})
    assert cleared.status_code == 409


async def test_alternative_operator_names_are_accepted(make: Make) -> None:
    rule = await make.rule(
        attribute_filters=[{"field": "plan.seats", "operator": "greater_or_equal", "value": "1,000"}]
    )
    assert rule["attribute_filters"] == [{"field": "plan.seats", "operator": "gte", "value": "1,000"}]


@pytest.mark.parametrize("value", ["text", 5, 2.5, True, ["a", 5, False]])
async def test_a_filter_stores_its_value_unchanged(client: Caller, make: Make, value: Any) -> None:
    rule = await make.rule(attribute_filters=[{"field": "plan", "operator": "equals", "value": value}])
    stored = (await rule_of(client, rule["id"]))["attribute_filters"][0]["value"]
    assert (stored, type(stored)) == (value, type(value))


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ("all", "attribute_filters"),
        ([BOT] * 21, "attribute_filters"),
        ([5], "attribute_filters.0"),
        ([{"operator": "equals", "value": 1}], "attribute_filters.0.field"),
        ([{**BOT, "field": ""}], "attribute_filters.0.field"),
        ([{"field": "a", "value": 1}], "attribute_filters.0.operator"),
        ([BOT, {**BOT, "operator": "matches"}], "attribute_filters.1.operator"),
        ([{**BOT, "value": {"a": 1}}], "attribute_filters.0.value"),
        ([{**BOT, "value": []}], "attribute_filters.0.value"),
        ([{**BOT, "operator": "contains", "value": ""}], "attribute_filters.0.value"),
        ([{**BOT, "operator": "not_contains", "value": " "}], "attribute_filters.0.value"),
        ([{**BOT, "operator": "starts_with", "value": ""}], "attribute_filters.0.value"),
        ([{**BOT, "operator": "ends_with", "value": "\t"}], "attribute_filters.0.value"),
        ([{**BOT, "operator": "equals", "value": ""}], "attribute_filters.0.value"),
        ([{**BOT, "operator": "in", "value": ["a", ""]}], "attribute_filters.0.value"),
        ([{**BOT, "operator": "gte", "value": "9,99"}], "attribute_filters.0.value"),
        ([{**BOT, "value": [None]}], "attribute_filters.0.value"),
        ([{**BOT, "value": float("inf")}], "attribute_filters.0.value"),
        ([{**BOT, "value": float("nan")}], "attribute_filters.0.value"),
        ([{**BOT, "value": 10**15}], "attribute_filters.0.value"),
        ([{**BOT, "value": 10**400}], "attribute_filters.0.value"),
        ([{**BOT, "value": "x" * 1001}], "attribute_filters.0.value"),
        ([{**BOT, "value": "\x00"}], "attribute_filters.0.value"),
        ([{"field": "a", "operator": "equals"}], "attribute_filters.0.value"),
        ([{"field": "a", "operator": "equals", "value": None}], "attribute_filters.0.value"),
        ([{"field": "a", "operator": "gte", "value": "many"}], "attribute_filters.0.value"),
        ([{"field": "a", "operator": "lt", "value": [1, True]}], "attribute_filters.0.value"),
        ([{**BOT, "negate": True}], "attribute_filters.0.negate"),
    ],
)
async def test_the_error_names_the_invalid_field_of_a_filter(client: Caller, filters: Any, field: str) -> None:
    assert await invalid_field(client, {"attribute_filters": filters}) == field


async def test_a_stored_condition_that_new_ones_may_not_have_is_still_readable(
    client: Caller, make: Make, database: TestDatabase
) -> None:
    rule = await make.rule("signup", attribute_filters=[BOT])
    stored = [{**BOT, "value": ""}, {**BOT, "operator": "gte", "value": "9,99"}]
    await database.execute("UPDATE rules SET attribute_filters = $1::text::jsonb", json.dumps(stored))
    assert (await rule_of(client, rule["id"]))["attribute_filters"] == stored
    assert (await client.put(f"/rules/{rule['id']}", json={"weight": 9})).status_code == 204


async def test_an_update_changes_only_the_fields_sent(client: Caller, make: Make) -> None:
    rule = await make.rule("signup", 7, icon="star", start_at="2026-01-01T00:00:00Z", max_per_lead=3)
    response = await client.put(f"/rules/{rule['id']}", json={"weight": 9})
    assert (response.status_code, response.content) == (204, b"")
    changed = await rule_of(client, rule["id"])
    assert changed == {**rule, "weight": 9, "updated_at": changed["updated_at"]}


async def test_null_clears_optional_fields(client: Caller, make: Make) -> None:
    rule = await make.rule(
        icon="star",
        start_at="2026-01-01T00:00:00Z",
        end_at="2027-01-01T00:00:00Z",
        max_per_lead=3,
        attribute_filters=[BOT],
    )
    nothing = {"icon": None, "start_at": None, "end_at": None, "max_per_lead": None, "attribute_filters": None}
    response = await client.put(f"/rules/{rule['id']}", json=nothing, headers={"Prefer": "return=representation"})
    assert response.status_code == 200
    expected = {**rule, **nothing, "attribute_filters": [], "updated_at": response.json()["updated_at"]}
    assert response.json() == expected


@pytest.mark.parametrize("field", ["event_type", "weight", "active", "ruleset_id"])
async def test_null_is_refused_for_required_fields(client: Caller, make: Make, field: str) -> None:
    rule = await make.rule()
    response = await client.put(f"/rules/{rule['id']}", json={field: None})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


async def test_an_empty_update_changes_nothing(client: Caller, operator: Caller, make: Make) -> None:
    rule = await make.rule()
    assert (await operator.put(f"/rules/{rule['id']}", json={})).status_code == 204
    assert await rule_of(client, rule["id"]) == rule


async def test_a_new_start_is_checked_against_the_existing_end(client: Caller, make: Make) -> None:
    rule = await make.rule(end_at="2026-02-01T00:00:00Z")
    response = await client.put(f"/rules/{rule['id']}", json={"start_at": "2026-02-01T01:00:00+01:00"})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "end_at"


async def test_a_rule_can_move_to_another_ruleset_of_its_ou(client: Caller, neighbour: Caller, make: Make) -> None:
    ruleset = await make.ruleset()
    elsewhere = await make.by(neighbour).ruleset()
    rule = await make.rule()
    assert (await client.put(f"/rules/{rule['id']}", json={"ruleset_id": ruleset["id"]})).status_code == 204
    assert (await rule_of(client, rule["id"]))["ruleset_id"] == ruleset["id"]
    for unknown in ("rs_unknown", elsewhere["id"]):
        response = await client.put(f"/rules/{rule['id']}", json={"ruleset_id": unknown})
        assert response.status_code == 404
        assert response.json()["errors"][0]["field"] == "ruleset_id"
        created = await client.post("/rules", json={"event_type": "login", "weight": 1, "ruleset_id": unknown})
        assert created.status_code == 404


async def test_without_a_primary_ruleset_the_ruleset_id_is_required(client: Caller) -> None:
    (ruleset,) = (await client.get("/rulesets")).json()
    assert (await client.delete(f"/rulesets/{ruleset['id']}")).status_code == 204
    assert await invalid_field(client, {}) == "ruleset_id"


async def test_a_deleted_rule_no_longer_exists(client: Caller, make: Make) -> None:
    rule = await make.rule("signup")
    assert (await client.delete(f"/rules/{rule['id']}")).status_code == 204
    assert (await client.get("/rules")).json() == []
    assert (await client.delete(f"/rules/{rule['id']}")).status_code == 404
    assert (await client.put(f"/rules/{rule['id']}", json={"weight": 1})).status_code == 404
    await make.rule("signup")


async def test_a_rule_of_another_ou_is_404(client: Caller, neighbour: Caller, stranger: Caller, make: Make) -> None:
    rule = await make.rule()
    for other in (neighbour, stranger):
        assert (await other.put(f"/rules/{rule['id']}", json={"weight": 99})).status_code == 404
        assert (await other.delete(f"/rules/{rule['id']}")).status_code == 404
        assert (await other.get("/rules")).json() == []
    assert await rule_of(client, rule["id"]) == rule


async def test_viewers_can_only_read_and_credentials_can_write(viewer: Caller, basic: Caller, make: Make) -> None:
    rule = await make.rule()
    assert (await viewer.get("/rules")).json() == [rule]
    assert (await viewer.post("/rules", json={"event_type": "login", "weight": 1})).status_code == 403
    assert (await viewer.put(f"/rules/{rule['id']}", json={"weight": 1})).status_code == 403
    assert (await viewer.delete(f"/rules/{rule['id']}")).status_code == 403
    made = await basic.post("/rules", json={"event_type": "login", "weight": 1})
    assert made.status_code == 201
    assert made.json()["created_by"] == made.json()["updated_by"] is not None
