"""Members of an OU."""

import asyncio
from typing import Any

import pytest

from support.callers import Caller
from support.world import World

REPRESENTATION = {"Prefer": "return=representation"}


async def join(client: Caller, member_id: str | None, role: str, unit_id: str | None = None) -> int:
    path = f"/org-units/{unit_id or client.unit_id}/members"
    return (await client.post(path, json={"org_member_id": member_id, "role": role})).status_code


async def roles(client: Caller, unit_id: str | None = None) -> dict[str, str]:
    members = (await client.get(f"/org-units/{unit_id or client.unit_id}/members")).json()
    return {member["email"].partition("@")[0]: member["role"] for member in members}


async def test_the_members_of_an_ou_are_listed_with_their_roles(viewer: Caller, world: World) -> None:
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


async def test_a_membership_can_be_read_by_members_of_the_ou(viewer: Caller, neighbour: Caller, world: World) -> None:
    here = f"/org-units/{viewer.unit_id}/members"
    response = await viewer.get(f"{here}/{world.operator.member_id}")
    assert response.status_code == 200
    assert response.json() == (await viewer.get(here)).json()[1]
    assert (await viewer.get(f"{here}/{world.neighbour.member_id}")).status_code == 404
    assert (await viewer.get(f"{here}/om_unknown")).status_code == 404
    assert (await neighbour.get(f"{here}/{world.operator.member_id}")).status_code == 404


async def test_assigning_a_member_is_idempotent_and_changes_the_role(client: Caller, world: World) -> None:
    neighbour = world.neighbour.member_id
    path = f"/org-units/{client.unit_id}/members"
    assert (await client.post(path, json={"org_member_id": neighbour})).status_code == 204
    assert (await roles(client))["neighbour"] == "Viewer"
    assert await join(client, neighbour, "Viewer") == 204
    assert await join(client, neighbour, "operator") == 204
    assert (await roles(client))["neighbour"] == "Operator"


async def test_assigning_without_a_role_keeps_the_role_of_a_present_member(client: Caller, world: World) -> None:
    members = f"/org-units/{client.unit_id}/members"
    for role in ("operator", "owner"):
        body = {"org_member_id": world.viewer.member_id, "role": role}
        assert (await client.post(members, json=body)).status_code == 204
        before = (await client.get(f"{members}/{world.viewer.member_id}")).json()
        del body["role"]
        assert (await client.post(members, json=body)).status_code == 204
        assert (await client.get(f"{members}/{world.viewer.member_id}")).json() == before
        assert before["role"].lower() == role


async def test_an_operator_can_manage_members_but_not_owners(operator: Caller, client: Caller, world: World) -> None:
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


async def test_a_viewer_cant_manage_members(viewer: Caller, world: World) -> None:
    here = f"/org-units/{viewer.unit_id}/members"
    assert await join(viewer, world.neighbour.member_id, "Viewer") == 403
    assert (await viewer.put(f"{here}/{world.operator.member_id}", json={"role": "Viewer"})).status_code == 403
    assert (await viewer.delete(f"{here}/{world.operator.member_id}")).status_code == 403


async def test_the_last_owner_keeps_the_role(client: Caller, world: World) -> None:
    path = f"/org-units/{client.unit_id}/members/{world.admin.member_id}"
    assert (await client.put(path, json={"role": "Operator"})).status_code == 409
    assert await join(client, world.admin.member_id, "Viewer") == 409
    assert (await client.delete(path)).status_code == 409
    assert (await client.put(path, json={"role": "Owner"})).status_code == 204
    assert await join(client, world.viewer.member_id, "Owner") == 204
    assert (await client.delete(path)).status_code == 204


async def test_two_owners_cant_remove_each_other(client: Caller, viewer: Caller, world: World) -> None:
    await join(client, world.viewer.member_id, "Owner")
    here = f"/org-units/{client.unit_id}/members"
    await asyncio.gather(
        client.delete(f"{here}/{world.viewer.member_id}"), viewer.delete(f"{here}/{world.admin.member_id}")
    )
    assert list((await roles(client)).values()).count("Owner") == 1


async def test_only_members_of_the_organization_can_join(client: Caller, world: World) -> None:
    assert await join(client, world.stranger.member_id, "Viewer") == 404
    assert await join(client, "om_nobody", "Viewer") == 404


async def test_changing_or_removing_a_member_of_another_ou_is_404(client: Caller, world: World) -> None:
    path = f"/org-units/{client.unit_id}/members/{world.neighbour.member_id}"
    assert (await client.put(path, json={"role": "Viewer"})).status_code == 404
    assert (await client.delete(path)).status_code == 404


@pytest.mark.parametrize("body", [{"role": "king"}, {"role": 1}, {"role": "editor"}])
async def test_a_role_must_be_owner_operator_or_viewer(client: Caller, world: World, body: dict[str, Any]) -> None:
    path = f"/org-units/{client.unit_id}/members"
    for response in (
        await client.post(path, json={"org_member_id": world.viewer.member_id, **body}),
        await client.put(f"{path}/{world.viewer.member_id}", json=body),
    ):
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "role"


async def test_a_nul_character_in_a_path_is_400(client: Caller) -> None:
    for path in ("/org-units/a%00/members", f"/org-units/{client.unit_id}/members/a%00"):
        assert (await client.get(path)).status_code == 400
