"""OUs of an organization."""

from typing import Any

import pytest

from support.callers import Caller
from support.world import World


async def roles(client: Caller, unit_id: str | None = None) -> dict[str, str]:
    members = (await client.get(f"/org-units/{unit_id or client.unit_id}/members")).json()
    return {member["email"].partition("@")[0]: member["role"] for member in members}


async def test_a_member_lists_their_ous_and_the_organization(client: Caller, viewer: Caller) -> None:
    sales = {
        "unit_id": client.unit_id,
        "org_id": client.org_id,
        "name": "Sales",
        "slug": "sales",
        "external_ref": None,
        "phone_region": None,
        "is_default": True,
    }
    listed = (await viewer.get("/org-units")).json()
    assert listed == {"units": [sales], "organization": {"org_id": client.org_id, "name": "Acme"}}


async def test_an_admin_lists_all_ous_with_the_default_first(client: Caller) -> None:
    listed = (await client.get("/org-units")).json()
    assert [unit["name"] for unit in listed["units"]] == ["Sales", "Support"]


async def test_a_credential_lists_its_own_ou(basic: Caller) -> None:
    listed = (await basic.get("/org-units")).json()
    assert [unit["unit_id"] for unit in listed["units"]] == [basic.unit_id]


async def test_an_ou_can_be_read_by_its_members(
    client: Caller, viewer: Caller, basic: Caller, neighbour: Caller, stranger: Caller
) -> None:
    path = f"/org-units/{viewer.unit_id}"
    sales = (await client.get("/org-units")).json()["units"][0]
    for caller in (client, viewer, basic):
        response = await caller.get(path)
        assert (response.status_code, response.json()) == (200, sales)
    for other in (neighbour, stranger):
        assert (await other.get(path)).status_code == 404
    assert (await client.get("/org-units/unit_unknown")).status_code == 404


async def test_a_new_ou_has_a_primary_ruleset_and_its_creator_as_owner(client: Caller, world: World) -> None:
    response = await client.post("/org-units", json={"name": " EMEA Sales "})
    made = response.json()
    unit_id = made.pop("unit_id")
    assert response.status_code == 201
    assert made == {
        "org_id": client.org_id,
        "name": "EMEA Sales",
        "slug": "emea-sales",
        "external_ref": None,
        "phone_region": None,
        "is_default": False,
    }
    rulesets = (await client.get("/rulesets", headers={"X-OU-ID": unit_id})).json()
    assert [(ruleset["name"], ruleset["is_primary"]) for ruleset in rulesets] == [("Engagement", True)]
    assert await roles(client, unit_id) == {"admin": "Owner"}


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "  "}, {"name": "!?"}, {"name": 7}, {"name": "a\nb"}])
async def test_an_ou_requires_a_name(client: Caller, body: dict[str, Any]) -> None:
    for response in (
        await client.post("/org-units", json=body),
        await client.put(f"/org-units/{client.unit_id}", json=body),
    ):
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "name"


async def test_a_slug_is_unique_within_an_organization(client: Caller, stranger: Caller) -> None:
    assert (await client.post("/org-units", json={"name": "sales!"})).status_code == 409
    other = (await client.post("/org-units", json={"name": "Other"})).json()
    assert (await client.put(f"/org-units/{other['unit_id']}", json={"name": "Sales"})).status_code == 409
    assert (await stranger.post("/org-units", json={"name": "Sales"})).status_code == 201


async def test_renaming_an_ou_changes_its_slug(client: Caller) -> None:
    response = await client.put(f"/org-units/{client.unit_id}", json={"name": "Vertrieb Süd"})
    assert response.status_code == 200
    assert (response.json()["name"], response.json()["slug"]) == ("Vertrieb Süd", "vertrieb-süd")


async def test_only_an_owner_can_rename_an_ou(neighbour: Caller, operator: Caller) -> None:
    path = f"/org-units/{neighbour.unit_id}"
    assert (await neighbour.put(path, json={"name": "Helpdesk"})).status_code == 200
    assert (await operator.put(path, json={"name": "Mine"})).status_code == 404
    assert (await operator.put(f"/org-units/{operator.unit_id}", json={"name": "Mine"})).status_code == 403


async def test_only_an_admin_can_create_ous(neighbour: Caller, basic: Caller) -> None:
    for caller in (neighbour, basic):
        assert (await caller.post("/org-units", json={"name": "Another"})).status_code == 403
