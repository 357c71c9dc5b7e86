"""Members of an organization."""

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


async def test_members_are_listed_with_their_ous(viewer: Caller, world: World) -> None:
    members = (await viewer.get("/members")).json()
    assert [member["email"].partition("@")[0] for member in members] == ["admin", "operator", "viewer"]
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


def names(response: Any) -> list[str]:
    return [member["email"].partition("@")[0] for member in response.json()]


async def test_only_admins_see_members_with_whom_they_share_no_ou(
    client: Caller, viewer: Caller, neighbour: Caller, basic: Caller, world: World
) -> None:
    assert names(await client.get("/members")) == ["admin", "operator", "viewer", "neighbour"]
    assert names(await basic.get("/members")) == ["admin", "operator", "viewer"]
    assert names(await neighbour.get("/members")) == ["neighbour"]
    for caller in (viewer, basic):
        assert (await caller.get(f"/members/{world.neighbour.member_id}")).status_code == 404
    assert (await client.get(f"/members/{world.neighbour.member_id}")).status_code == 200
    assert (await neighbour.get(f"/members/{world.neighbour.member_id}")).status_code == 200
    assert await join(client, world.viewer.member_id, "Viewer", world.neighbour.unit_id) == 204
    assert names(await neighbour.get("/members")) == ["viewer", "neighbour"]
    assert (await viewer.get(f"/members/{world.neighbour.member_id}")).status_code == 200


async def test_a_member_without_an_ou_sees_only_their_own_account(anonymous: Caller, make: Make) -> None:
    await make.member("lonely@acme.example", password=PASSWORD)
    await sign_in(anonymous, "lonely@acme.example")
    assert names(await anonymous.get("/members")) == ["lonely"]


async def test_a_member_can_be_read_within_the_organization(viewer: Caller, stranger: Caller, world: World) -> None:
    path = f"/members/{world.operator.member_id}"
    response = await viewer.get(path)
    assert response.status_code == 200
    assert response.json() in (await viewer.get("/members")).json()
    assert response.json()["email"] == "operator@acme.example"
    assert (await stranger.get(path)).status_code == 404
    assert (await viewer.get("/members/om_unknown")).status_code == 404


async def test_a_new_member_can_sign_in_and_no_response_contains_the_password(
    client: Caller, anonymous: Caller
) -> None:
    body = {"first_name": "Jane", "last_name": "Doe", "email": "Jane@Example.com", "password": "pa$$word for a duck"}
    response = await client.post("/members", json={**body, "role": "Editor"})
    assert response.status_code == 201
    made = response.json()
    assert (made["email"], made["role"], made["ou_memberships"]) == ("jane@example.com", "editor", [])
    assert "pa$$word for a duck" not in response.text
    assert "password" not in response.text
    assert (await sign_in(anonymous, "jane@example.com", "pa$$word for a duck")).status_code == 200


@pytest.mark.parametrize("email", ["Ada@localhost", "ada@crm.local", "ada@mail", "ada@acme.test", "jösé@bücher.de"])
async def test_an_account_can_have_an_intranet_or_international_email(
    client: Caller, anonymous: Caller, make: Make, email: str
) -> None:
    member = await make.member(email, password=PASSWORD)
    assert member["email"] == email.lower()
    assert (await sign_in(anonymous, email, PASSWORD)).status_code == 200


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
async def test_the_error_names_the_invalid_field_of_a_new_member(client: Caller, field: str, value: Any) -> None:
    body = {"first_name": "A", "last_name": "B", "email": "a@b.c", "password": PASSWORD, "role": "viewer"}
    response = await client.post("/members", json={**body, field: value})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_an_email_is_unique_on_the_server(client: Caller, stranger: Caller, make: Make) -> None:
    body = {"first_name": "A", "last_name": "B", "email": "VIEWER@acme.example", "password": PASSWORD, "role": "viewer"}
    for caller in (client, stranger):
        response = await caller.post("/members", json=body)
        assert response.status_code == 409
        assert "email" in response.json()["detail"]
    member = await make.member("other@acme.example")
    changed = await client.put(f"/members/{member['org_member_id']}", json={"email": "viewer@acme.example"})
    assert changed.status_code == 409


async def test_an_update_changes_only_the_fields_sent(client: Caller, make: Make) -> None:
    member = await make.member("jane@acme.example")
    path = f"/members/{member['org_member_id']}"
    assert (await client.put(path, json={"first_name": "Jane"})).status_code == 204
    shown = await client.put(path, json={"role": "editor"}, headers=REPRESENTATION)
    assert shown.status_code == 200
    assert shown.json() == {**member, "first_name": "Jane", "role": "editor"}


@pytest.mark.parametrize("body", [{"email": None}, {"role": "Owner"}, {"first_name": ""}, {"password": "short"}])
async def test_the_error_names_the_invalid_field_of_an_update(
    client: Caller, world: World, body: dict[str, Any]
) -> None:
    response = await client.put(admin(world), json=body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == list(body)


async def test_only_an_admin_can_create_update_and_delete_members(
    neighbour: Caller, basic: Caller, world: World
) -> None:
    member = {"first_name": "A", "last_name": "B", "email": "a@b.c", "password": PASSWORD, "role": "viewer"}
    for caller in (neighbour, basic):
        assert (await caller.post("/members", json=member)).status_code == 403
        assert (await caller.put(admin(world), json={"first_name": "C"})).status_code == 403
        assert (await caller.delete(admin(world))).status_code == 403


async def test_a_new_password_ends_the_members_sign_ins(client: Caller, anonymous: Caller, world: World) -> None:
    await sign_in(anonymous, "viewer@acme.example")
    await client.put(f"/members/{world.viewer.member_id}", json={"password": "another long password"})
    assert (await anonymous.post("/auth/refresh")).status_code == 401
    assert (await sign_in(anonymous, "viewer@acme.example")).status_code == 401
    assert (await sign_in(anonymous, "viewer@acme.example", "another long password")).status_code == 200


async def test_a_deleted_member_loses_access_immediately(
    client: Caller, viewer: Caller, anonymous: Caller, world: World
) -> None:
    token = (await viewer.post("/settings/tokens", json={"name": "A script"})).json()["token"]
    assert (await client.delete(f"/members/{world.viewer.member_id}")).status_code == 204
    assert (await viewer.get("/me")).status_code == 401
    assert (await anonymous.get("/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    assert (await sign_in(anonymous, "viewer@acme.example")).status_code == 401
    assert "viewer" not in await roles(client)
    assert (await client.delete(f"/members/{world.viewer.member_id}")).status_code == 404


async def test_the_last_admin_keeps_the_role(client: Caller, world: World, make: Make) -> None:
    assert (await client.put(admin(world), json={"role": "editor"})).status_code == 409
    assert (await client.delete(admin(world))).status_code == 409
    assert (await client.put(admin(world), json={"first_name": "Ada", "role": "admin"})).status_code == 204
    await make.member("second@acme.example", role="admin")
    assert (await client.put(admin(world), json={"role": "editor"})).status_code == 204


async def test_two_admins_cant_delete_each_other(
    client: Caller, app: Any, anonymous: Caller, make: Make, world: World
) -> None:
    second = await make.member("second@acme.example", role="admin")
    await join(client, second["org_member_id"], "Owner")
    await sign_in(anonymous, "second@acme.example", "a password of some length")
    answers = await asyncio.gather(client.delete(f"/members/{second['org_member_id']}"), anonymous.delete(admin(world)))
    assert sorted(answer.status_code for answer in answers) in ([204, 401], [204, 403], [204, 409])


async def test_the_last_owner_of_an_ou_cant_be_deleted(client: Caller, world: World) -> None:
    path = f"/members/{world.neighbour.member_id}"
    response = await client.delete(path)
    assert response.status_code == 409
    assert "Support" in response.json()["detail"]
    assert await join(client, world.admin.member_id, "Owner", world.neighbour.unit_id) == 204
    assert (await client.delete(path)).status_code == 204


async def test_a_nul_character_in_a_path_is_400(client: Caller) -> None:
    for method in ("GET", "DELETE"):
        assert (await client.request(method, "/members/a%00")).status_code == 400
