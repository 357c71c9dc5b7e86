"""OUs, the organization's members, and who belongs to which OU."""

import asyncio
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make
from support.sign_in import sign_in
from support.world import PASSWORD, World

REPRESENTATION = {"Prefer": "return=representation"}


def admin(world: World) -> str:
    return f"/members/{world.admin.member_id}"


async def join(client: Caller, member_id: str | None, role: str, unit_id: str | None = None) -> int:
    path = f"/org-units/{unit_id or client.unit_id}/members"
    return (await client.post(path, json={"org_member_id": member_id, "role": role})).status_code


async def roles(client: Caller, unit_id: str | None = None) -> dict[str, str]:
    members = (await client.get(f"/org-units/{unit_id or client.unit_id}/members")).json()
    return {member["email"].partition("@")[0]: member["role"] for member in members}


async def test_the_ous_open_to_me_are_listed_with_the_organization(client: Caller, viewer: Caller) -> None:
    sales = {
        "unit_id": client.unit_id,
        "org_id": client.org_id,
        "name": "Sales",
        "slug": "sales",
        "external_ref": None,
        "is_default": True,
    }
    listed = (await viewer.get("/org-units")).json()
    assert listed == {"units": [sales], "organization": {"org_id": client.org_id, "name": "Acme"}}


async def test_an_admin_sees_every_ou_the_default_one_first(client: Caller) -> None:
    listed = (await client.get("/org-units")).json()
    assert [unit["name"] for unit in listed["units"]] == ["Sales", "Support"]


async def test_a_credential_sees_its_own(basic: Caller) -> None:
    listed = (await basic.get("/org-units")).json()
    assert [unit["unit_id"] for unit in listed["units"]] == [basic.unit_id]


async def test_a_new_ou_scores_and_its_maker_owns_it(client: Caller, world: World) -> None:
    response = await client.post("/org-units", json={"name": " EMEA Sales "})
    made = response.json()
    unit_id = made.pop("unit_id")
    assert response.status_code == 201
    assert made == {
        "org_id": client.org_id,
        "name": "EMEA Sales",
        "slug": "emea-sales",
        "external_ref": None,
        "is_default": False,
    }
    rulesets = (await client.get("/rulesets", headers={"X-OU-ID": unit_id})).json()
    assert [(ruleset["name"], ruleset["is_primary"]) for ruleset in rulesets] == [("Engagement", True)]
    assert await roles(client, unit_id) == {"admin": "Owner"}


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "  "}, {"name": "!?"}, {"name": 7}, {"name": "a\nb"}])
async def test_an_ou_needs_a_name(client: Caller, body: dict[str, Any]) -> None:
    for response in (
        await client.post("/org-units", json=body),
        await client.put(f"/org-units/{client.unit_id}", json=body),
    ):
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "name"


async def test_two_ous_of_one_slug_are_in_conflict_but_not_across_organizations(
    client: Caller, stranger: Caller
) -> None:
    assert (await client.post("/org-units", json={"name": "sales!"})).status_code == 409
    other = (await client.post("/org-units", json={"name": "Other"})).json()
    assert (await client.put(f"/org-units/{other['unit_id']}", json={"name": "Sales"})).status_code == 409
    assert (await stranger.post("/org-units", json={"name": "Sales"})).status_code == 201


async def test_renaming_an_ou_renames_its_slug(client: Caller) -> None:
    response = await client.put(f"/org-units/{client.unit_id}", json={"name": "Vertrieb Süd"})
    assert response.status_code == 200
    assert (response.json()["name"], response.json()["slug"]) == ("Vertrieb Süd", "vertrieb-süd")


async def test_an_owner_renames_their_own_ou_whichever_is_active(neighbour: Caller, operator: Caller) -> None:
    path = f"/org-units/{neighbour.unit_id}"
    assert (await neighbour.put(path, json={"name": "Helpdesk"})).status_code == 200
    assert (await operator.put(path, json={"name": "Mine"})).status_code == 404
    assert (await operator.put(f"/org-units/{operator.unit_id}", json={"name": "Mine"})).status_code == 403


async def test_only_an_admin_makes_ous_and_members(neighbour: Caller, basic: Caller, world: World) -> None:
    member = {"first_name": "A", "last_name": "B", "email": "a@b.c", "password": PASSWORD, "role": "viewer"}
    for caller in (neighbour, basic):
        assert (await caller.post("/org-units", json={"name": "Another"})).status_code == 403
        assert (await caller.post("/members", json=member)).status_code == 403
        assert (await caller.put(admin(world), json={"first_name": "C"})).status_code == 403
        assert (await caller.delete(admin(world))).status_code == 403


async def test_members_are_listed_with_their_ous(viewer: Caller, world: World) -> None:
    members = (await viewer.get("/members")).json()
    assert [member["email"].partition("@")[0] for member in members] == ["admin", "operator", "viewer", "neighbour"]
    assert members[0].pop("created_at").endswith("Z")
    assert members[0] == {
        "org_member_id": world.admin.member_id,
        "first_name": "First",
        "last_name": "Admin",
        "email": "admin@acme.example",
        "role": "admin",
        "verified": True,
        "ou_memberships": [{"unit_id": viewer.unit_id, "unit_name": "Sales", "role": "Owner"}],
    }


async def test_a_new_member_can_sign_in_and_nobody_is_shown_the_password(client: Caller, anonymous: Caller) -> None:
    body = {"first_name": "Jane", "last_name": "Doe", "email": "Jane@Example.com", "password": "pa$$word"}
    response = await client.post("/members", json={**body, "role": "Editor"})
    assert response.status_code == 201
    made = response.json()
    assert (made["email"], made["role"], made["ou_memberships"]) == ("jane@example.com", "editor", [])
    assert "pa$$word" not in response.text
    assert "password" not in response.text
    assert (await sign_in(anonymous, "jane@example.com", "pa$$word")).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_name", ""),
        ("last_name", None),
        ("email", "no address"),
        ("email", "a\x00@b.c"),
        ("password", "short"),
        ("role", "king"),
        ("role", 3),
        ("organization", "another"),
    ],
)
async def test_a_member_with_a_wrong_field_is_refused_by_its_name(client: Caller, field: str, value: Any) -> None:
    body = {"first_name": "A", "last_name": "B", "email": "a@b.c", "password": PASSWORD, "role": "viewer"}
    response = await client.post("/members", json={**body, field: value})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_an_address_has_one_account_on_the_server(client: Caller, stranger: Caller, make: Make) -> None:
    body = {"first_name": "A", "last_name": "B", "email": "VIEWER@acme.example", "password": PASSWORD, "role": "viewer"}
    for caller in (client, stranger):
        response = await caller.post("/members", json=body)
        assert response.status_code == 409
        assert "email" in response.json()["detail"]
    member = await make.member("other@acme.example")
    changed = await client.put(f"/members/{member['org_member_id']}", json={"email": "viewer@acme.example"})
    assert changed.status_code == 409


async def test_a_change_touches_only_what_is_sent(client: Caller, make: Make) -> None:
    member = await make.member("jane@acme.example")
    path = f"/members/{member['org_member_id']}"
    assert (await client.put(path, json={"first_name": "Jane"})).status_code == 204
    shown = await client.put(path, json={"role": "editor"}, headers=REPRESENTATION)
    assert shown.status_code == 200
    assert shown.json() == {**member, "first_name": "Jane", "role": "editor"}


@pytest.mark.parametrize("body", [{"email": None}, {"role": "Owner"}, {"first_name": ""}, {"password": "short"}])
async def test_a_wrong_change_of_a_member_is_refused(client: Caller, world: World, body: dict[str, Any]) -> None:
    response = await client.put(admin(world), json=body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == list(body)


async def test_a_new_password_ends_the_members_sign_ins(client: Caller, anonymous: Caller, world: World) -> None:
    await sign_in(anonymous, "viewer@acme.example")
    await client.put(f"/members/{world.viewer.member_id}", json={"password": "another long password"})
    assert (await anonymous.post("/auth/refresh")).status_code == 401
    assert (await sign_in(anonymous, "viewer@acme.example")).status_code == 401
    assert (await sign_in(anonymous, "viewer@acme.example", "another long password")).status_code == 200


async def test_a_removed_member_is_out_at_once(client: Caller, viewer: Caller, anonymous: Caller, world: World) -> None:
    token = (await viewer.post("/settings/tokens", json={"name": "A script"})).json()["token"]
    assert (await client.delete(f"/members/{world.viewer.member_id}")).status_code == 204
    assert (await viewer.get("/me")).status_code == 401
    assert (await anonymous.get("/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    assert (await sign_in(anonymous, "viewer@acme.example")).status_code == 401
    assert "viewer" not in await roles(client)
    assert (await client.delete(f"/members/{world.viewer.member_id}")).status_code == 404


async def test_the_last_admin_stays_one(client: Caller, world: World, make: Make) -> None:
    assert (await client.put(admin(world), json={"role": "editor"})).status_code == 409
    assert (await client.delete(admin(world))).status_code == 409
    assert (await client.put(admin(world), json={"first_name": "Ada", "role": "admin"})).status_code == 204
    await make.member("second@acme.example", role="admin")
    assert (await client.put(admin(world), json={"role": "editor"})).status_code == 204


async def test_two_admins_who_remove_each_other_dont_both_succeed(
    client: Caller, app: Any, anonymous: Caller, make: Make, world: World
) -> None:
    second = await make.member("second@acme.example", role="admin")
    await join(client, second["org_member_id"], "Owner")
    await sign_in(anonymous, "second@acme.example", "a password of some length")
    answers = await asyncio.gather(client.delete(f"/members/{second['org_member_id']}"), anonymous.delete(admin(world)))
    assert sorted(answer.status_code for answer in answers) in ([204, 401], [204, 403], [204, 409])


async def test_an_ous_last_owner_stays_with_the_organization(client: Caller, world: World) -> None:
    path = f"/members/{world.neighbour.member_id}"
    response = await client.delete(path)
    assert response.status_code == 409
    assert "Support" in response.json()["detail"]
    assert await join(client, world.admin.member_id, "Owner", world.neighbour.unit_id) == 204
    assert (await client.delete(path)).status_code == 204


async def test_an_ous_members_are_listed_with_their_roles_in_it(viewer: Caller, world: World) -> None:
    members = (await viewer.get(f"/org-units/{viewer.unit_id}/members")).json()
    assert members[1] == {
        "org_member_id": world.operator.member_id,
        "first_name": "Operator",
        "last_name": "Example",
        "email": "operator@acme.example",
        "role": "Operator",
        "unit_id": viewer.unit_id,
    }
    assert (await viewer.get(f"/org-units/{world.neighbour.unit_id}/members")).status_code == 404


async def test_assigning_is_idempotent_and_changes_the_role(client: Caller, world: World) -> None:
    neighbour = world.neighbour.member_id
    path = f"/org-units/{client.unit_id}/members"
    assert (await client.post(path, json={"org_member_id": neighbour})).status_code == 204
    assert (await roles(client))["neighbour"] == "Viewer"
    assert await join(client, neighbour, "Viewer") == 204
    assert await join(client, neighbour, "operator") == 204
    assert (await roles(client))["neighbour"] == "Operator"


async def test_an_operator_manages_members_but_no_owners(operator: Caller, client: Caller, world: World) -> None:
    here = f"/org-units/{operator.unit_id}/members"
    assert await join(operator, world.neighbour.member_id, "Operator") == 204
    changed = await operator.put(f"{here}/{world.neighbour.member_id}", json={"role": "Viewer"}, headers=REPRESENTATION)
    assert (changed.status_code, changed.json()["role"]) == (200, "Viewer")
    assert (await operator.delete(f"{here}/{world.neighbour.member_id}")).status_code == 204
    assert await join(operator, world.viewer.member_id, "Owner") == 403
    assert (await operator.put(f"{here}/{world.viewer.member_id}", json={"role": "Owner"})).status_code == 403
    assert (await operator.put(f"{here}/{world.admin.member_id}", json={"role": "Viewer"})).status_code == 403
    assert await join(operator, world.admin.member_id, "Viewer") == 403
    assert (await operator.delete(f"{here}/{world.admin.member_id}")).status_code == 403
    assert await roles(client) == {"admin": "Owner", "operator": "Operator", "viewer": "Viewer"}


async def test_a_viewer_manages_nobody(viewer: Caller, world: World) -> None:
    here = f"/org-units/{viewer.unit_id}/members"
    assert await join(viewer, world.neighbour.member_id, "Viewer") == 403
    assert (await viewer.put(f"{here}/{world.operator.member_id}", json={"role": "Viewer"})).status_code == 403
    assert (await viewer.delete(f"{here}/{world.operator.member_id}")).status_code == 403


async def test_an_ous_last_owner_stays_one(client: Caller, world: World) -> None:
    path = f"/org-units/{client.unit_id}/members/{world.admin.member_id}"
    assert (await client.put(path, json={"role": "Operator"})).status_code == 409
    assert await join(client, world.admin.member_id, "Viewer") == 409
    assert (await client.delete(path)).status_code == 409
    assert (await client.put(path, json={"role": "Owner"})).status_code == 204
    assert await join(client, world.viewer.member_id, "Owner") == 204
    assert (await client.delete(path)).status_code == 204


async def test_of_two_owners_who_remove_each_other_one_stays(client: Caller, viewer: Caller, world: World) -> None:
    await join(client, world.viewer.member_id, "Owner")
    here = f"/org-units/{client.unit_id}/members"
    await asyncio.gather(
        client.delete(f"{here}/{world.viewer.member_id}"), viewer.delete(f"{here}/{world.admin.member_id}")
    )
    assert list((await roles(client)).values()).count("Owner") == 1


async def test_nobody_from_outside_the_organization_joins(client: Caller, world: World) -> None:
    assert await join(client, world.stranger.member_id, "Viewer") == 404
    assert await join(client, "om_nobody", "Viewer") == 404


async def test_who_isnt_in_the_ou_cant_be_changed_or_removed(client: Caller, world: World) -> None:
    path = f"/org-units/{client.unit_id}/members/{world.neighbour.member_id}"
    assert (await client.put(path, json={"role": "Viewer"})).status_code == 404
    assert (await client.delete(path)).status_code == 404


@pytest.mark.parametrize("body", [{"role": "king"}, {"role": None}, {"role": "editor"}])
async def test_an_ou_has_three_roles(client: Caller, world: World, body: dict[str, Any]) -> None:
    path = f"/org-units/{client.unit_id}/members"
    for response in (
        await client.post(path, json={"org_member_id": world.viewer.member_id, **body}),
        await client.put(f"{path}/{world.viewer.member_id}", json=body),
    ):
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "role"


async def test_nul_in_a_path_is_told_apart_from_a_crash(client: Caller) -> None:
    for path in ("/org-units/a%00/members", "/members/a%00", f"/org-units/{client.unit_id}/members/a%00"):
        method = "DELETE" if "members/" in path else "GET"
        assert (await client.request(method, path)).status_code == 400
