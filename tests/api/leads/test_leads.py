"""Creating and reading leads."""

from typing import Any
from urllib.parse import quote

import pytest

from support.callers import Caller
from support.make import Make

ODD_IDS = [
    "a lead",
    "ü☃ 例",
    "ev_0123456789abcdef0123456789abcdef",
    "100%",
    "a?b#c&d=e",
    "a+b",
    "score",
    "...",
    "x" * 200,
]


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize("path", ["/leads", "/lead"])
async def test_creating_a_lead_returns_its_whole_record(client: Caller, path: str) -> None:
    response = await client.post(path, json={"id": "lead-1", "metadata": {"plan": "pro"}, "account_id": "acct_1"})
    assert response.status_code == 201
    record = response.json()
    assert record.pop("created_at") == record.pop("updated_at")
    assert record == {
        "id": "lead-1",
        "lead_id": "lead-1",
        "org_id": client.org_id,
        "unit_id": client.unit_id,
        "account_id": "acct_1",
        "owner_id": None,
        "owner_name": None,
        "merged_into": None,
        "metadata": {"plan": "pro"},
    }


async def test_a_lead_is_owned_by_a_member_of_the_organization(client: Caller, operator: Caller) -> None:
    record = (await client.post("/leads", json={"id": "lead-1", "owner_id": operator.member_id})).json()
    assert (record["owner_id"], record["owner_name"]) == (operator.member_id, "Operator Example")


async def test_a_lead_cannot_be_owned_by_a_stranger(client: Caller, stranger: Caller) -> None:
    response = await client.post("/leads", json={"id": "lead-1", "owner_id": stranger.member_id})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "owner_id"


async def test_an_id_can_be_used_once(client: Caller, neighbour: Caller) -> None:
    assert (await client.post("/leads", json={"id": "lead-1"})).status_code == 201
    again = await client.post("/leads", json={"id": "lead-1"})
    assert (again.status_code, again.json()["detail"]) == (409, "A lead with this id already exists.")
    assert (await neighbour.post("/leads", json={"id": "lead-1"})).status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "id"),
        ({"id": ""}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "."}, "id"),
        ({"id": ".."}, "id"),
        ({"id": "a\tb"}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"id": 7}, "id"),
        ({"id": "lead-1", "metadata": None}, "metadata"),
        ({"id": "lead-1", "metadata": []}, "metadata"),
        ({"id": "lead-1", "metadata": {"a": "b\x00"}}, "metadata"),
        ({"id": "lead-1", "metadata": nested(33)}, "metadata"),
        ({"id": "lead-1", "account_id": ""}, "account_id"),
    ],
)
async def test_an_invalid_field_is_reported(client: Caller, body: dict[str, Any], field: str) -> None:
    response = await client.post("/leads", json=body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("value", ["1e200000", "NaN", '"\\ud800"', '{"\\udfff": 1}'])
async def test_metadata_that_cannot_be_stored_is_refused(client: Caller, value: str) -> None:
    body = f'{{"id": "lead-1", "metadata": {{"a": {value}}}}}'
    response = await client.post("/leads", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "metadata"


async def test_metadata_may_take_100_kilobytes_and_32_levels(client: Caller) -> None:
    room = 102_400 - len('{"a":""}')
    assert (await client.post("/leads", json={"id": "full", "metadata": {"a": "x" * room}})).status_code == 201
    assert (await client.post("/leads", json={"id": "more", "metadata": {"a": "x" * (room + 1)}})).status_code == 413
    assert (await client.post("/leads", json={"id": "deep", "metadata": nested(32)})).status_code == 201


async def test_operators_and_credentials_create_leads_and_viewers_cannot(
    operator: Caller, basic: Caller, viewer: Caller, anonymous: Caller
) -> None:
    assert (await operator.post("/leads", json={"id": "by-operator"})).status_code == 201
    assert (await basic.post("/leads", json={"id": "by-program"})).status_code == 201
    assert (await viewer.post("/leads", json={"id": "by-viewer"})).status_code == 403
    assert (await anonymous.post("/leads", json={"id": "by-nobody"})).status_code == 401


@pytest.mark.parametrize("lead_id", ODD_IDS)
async def test_a_lead_can_have_any_id(client: Caller, make: Make, lead_id: str) -> None:
    await make.lead(lead_id)
    for prefix in ("lead", "leads"):
        response = await client.get(f"/{prefix}/{quote(lead_id, safe='')}")
        assert (response.status_code, response.json().get("lead_id")) == (200, lead_id)
    for path in (f"/score/{quote(lead_id, safe='')}", f"/events/{quote(lead_id, safe='')}"):
        assert (await client.get(path)).status_code == 200


async def test_a_lead_shows_its_record_nested_and_flat(client: Caller, make: Make) -> None:
    record = await make.lead("lead-1", metadata={"plan": "pro"})
    body = (await client.get("/lead/lead-1")).json()
    assert body["lead"] == record
    assert body["account"] == {}
    assert {name: body[name] for name in record} == record
    assert (body["score"], body["last_event_at"], body["last_event_type"]) == (0, None, None)


async def test_a_lead_shows_its_score_and_last_event(client: Caller, make: Make, drain: Any) -> None:
    await make.rule("signup", 20)
    await make.event("signup", timestamp="2025-01-01T12:00:00Z")
    await drain()
    body = (await client.get("/lead/lead-1")).json()
    assert body["score"] == 20
    assert body["last_event_at"] == "2025-01-01T12:00:00Z"
    assert body["last_event_type"] == "signup"
    assert list(body["engagement_scores"].values()) == [20]
    assert list(body["ruleset_names"].values()) == [body["engagement_primary_ruleset_name"]] == ["Engagement"]


async def test_a_merged_lead_names_its_target(client: Caller, make: Make) -> None:
    await make.lead("source")
    await make.lead("target")
    await client.post("/leads/merge", json={"targetLeadId": "target", "sourceLeadIds": ["source"]})
    merged = (await client.get("/lead/source")).json()
    assert (merged["lead_id"], merged["merged_from"], merged["lead"]["lead_id"]) == ("target", "source", "target")


@pytest.mark.parametrize("path", ["/lead/lead-1", "/leads/lead-1"])
async def test_a_lead_of_another_ou_is_not_found(
    client: Caller, make: Make, neighbour: Caller, stranger: Caller, path: str
) -> None:
    await make.lead("lead-1")
    assert (await client.get(path)).status_code == 200
    assert (await neighbour.get(path)).status_code == 404
    assert (await stranger.get(path)).status_code == 404


async def test_an_invalid_id_is_refused_and_an_unknown_one_is_not_found(client: Caller) -> None:
    assert (await client.get("/lead/a%00b")).status_code == 400
    assert (await client.get("/lead/unknown")).status_code == 404


async def test_too_long_and_too_deeply_nested_values_are_reported(client: Caller) -> None:
    long = await client.get("/leads/search", params={"q": "x" * 201})
    assert long.json()["errors"] == [{"field": "q", "message": "must be at most 200 characters"}]
    headers = {"Content-Type": "application/json"}
    deep = await client.post("/leads", content="[" * 100_000, headers=headers)
    assert deep.json()["errors"] == [{"field": "body", "message": "is nested too deeply"}]
    assert (await client.get("/jobs/%00")).json()["errors"][0]["field"] == "job_id"
