"""Personal tokens."""

from datetime import UTC, datetime, timedelta

import pytest

from leadvibe.core.instants import show_instant
from support.callers import Caller
from support.issuer import Issuer
from support.make import Make
from support.postgres import TestDatabase
from support.world import World


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_personal_token_acts_as_its_owner(viewer: Caller, anonymous: Caller, world: World) -> None:
    response = await viewer.post("/settings/tokens", json={"name": "A script"})
    made = response.json()
    assert response.status_code == 201
    assert set(made) == {"id", "name", "token", "token_prefix", "expires_at", "created_at", "last_used_at"}
    token = made.pop("token")
    assert token.startswith("lv_pat_")
    assert token.startswith(made["token_prefix"])
    assert made["expires_at"] is made["last_used_at"] is None
    assert (await viewer.get("/settings/tokens")).json() == [made]
    headers = bearer(token)
    assert (await anonymous.get("/me", headers=headers)).json()["org_member_id"] == world.viewer.member_id
    assert (await anonymous.get("/rulesets", headers=headers)).status_code == 200
    assert (await anonymous.post("/rulesets", json={"name": "Mine"}, headers=headers)).status_code == 403


async def test_a_personal_token_can_be_read_by_its_owner(client: Caller, make: Make) -> None:
    made = await make.token()
    del made["token"]
    response = await client.get(f"/settings/tokens/{made['id']}")
    assert (response.status_code, response.json()) == (200, made)
    assert (await client.get("/settings/tokens/pat_unknown")).status_code == 404


async def test_a_personal_token_accesses_the_ou_of_the_header(client: Caller, anonymous: Caller, make: Make) -> None:
    other = await make.unit()
    headers = {**bearer((await make.token())["token"]), "X-OU-ID": other["unit_id"]}
    assert (await anonymous.get("/rulesets", headers=headers)).json()[0]["unit_id"] == other["unit_id"]


async def test_the_time_of_use_is_stored_at_most_once_a_minute(
    client: Caller, anonymous: Caller, make: Make, database: TestDatabase
) -> None:
    headers = bearer((await make.token())["token"])
    await anonymous.get("/me", headers=headers)
    first = (await client.get("/settings/tokens")).json()[0]["last_used_at"]
    assert first is not None
    await anonymous.get("/me", headers=headers)
    assert (await client.get("/settings/tokens")).json()[0]["last_used_at"] == first
    await database.execute("UPDATE personal_tokens SET last_used_at = last_used_at - interval '1 minute'")
    await anonymous.get("/me", headers=headers)
    assert (await client.get("/settings/tokens")).json()[0]["last_used_at"] >= first


async def test_a_personal_token_can_expire(anonymous: Caller, make: Make, database: TestDatabase) -> None:
    expires_at = show_instant(datetime.now(UTC) + timedelta(days=1))
    made = await make.token(expires_at=expires_at)
    assert made["expires_at"] == expires_at
    assert (await anonymous.get("/me", headers=bearer(made["token"]))).status_code == 200
    await database.execute("UPDATE personal_tokens SET expires_at = now()")
    response = await anonymous.get("/me", headers=bearer(made["token"]))
    assert response.status_code == 401
    assert "expired" in response.json()["detail"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("expires_at", "2020-01-01T00:00:00Z"),
        ("expires_at", "2999-01-01T00:00:00"),
        ("expires_at", "tomorrow"),
    ],
)
async def test_the_error_names_the_invalid_field(client: Caller, field: str, value: str) -> None:
    response = await client.post("/settings/tokens", json={"name": "A script", field: value})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_a_revoked_personal_token_stops_working(client: Caller, anonymous: Caller, make: Make) -> None:
    made = await make.token()
    assert (await client.delete(f"/settings/tokens/{made['id']}")).status_code == 204
    assert (await anonymous.get("/me", headers=bearer(made["token"]))).status_code == 401
    assert (await client.delete(f"/settings/tokens/{made['id']}")).status_code == 404


async def test_a_personal_token_is_invisible_to_other_members(client: Caller, viewer: Caller, make: Make) -> None:
    made = await make.token()
    assert (await viewer.get("/settings/tokens")).json() == []
    assert (await viewer.get(f"/settings/tokens/{made['id']}")).status_code == 404
    assert (await viewer.delete(f"/settings/tokens/{made['id']}")).status_code == 404


async def test_an_unknown_personal_token_is_refused(anonymous: Caller) -> None:
    assert (await anonymous.get("/me", headers=bearer("lv_pat_unknown"))).status_code == 401


async def test_a_token_made_with_an_expiring_token_expires_with_it(
    client: Caller, anonymous: Caller, make: Make
) -> None:
    expires_at = show_instant(datetime.now(UTC) + timedelta(minutes=1))
    parent = bearer((await make.token(expires_at=expires_at))["token"])
    for body in ({"name": "a"}, {"name": "b", "expires_at": "2999-01-01T00:00:00Z"}):
        made = (await anonymous.post("/settings/tokens", json=body, headers=parent)).json()
        assert made["expires_at"] == expires_at
    sooner = show_instant(datetime.now(UTC) + timedelta(seconds=30))
    made = await anonymous.post("/settings/tokens", json={"name": "c", "expires_at": sooner}, headers=parent)
    assert made.json()["expires_at"] == sooner


async def test_a_token_ends_with_the_token_that_made_it(client: Caller, anonymous: Caller, make: Make) -> None:
    parent = await make.token()
    child = (await anonymous.post("/settings/tokens", json={"name": "a"}, headers=bearer(parent["token"]))).json()
    grandchild = (await anonymous.post("/settings/tokens", json={"name": "b"}, headers=bearer(child["token"]))).json()
    assert (await anonymous.get("/me", headers=bearer(grandchild["token"]))).status_code == 200
    await client.delete(f"/settings/tokens/{parent['id']}")
    for made in (child, grandchild):
        assert (await anonymous.get("/me", headers=bearer(made["token"]))).status_code == 401
    assert (await client.get("/settings/tokens")).json() == []


async def test_a_token_made_with_an_outside_issuers_token_expires_with_it(anonymous: Caller, issuer: Issuer) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
    headers = bearer(issuer.token("first", exp=soon))
    made = await anonymous.post("/settings/tokens", json={"name": "a"}, headers=headers)
    assert made.json()["expires_at"] == show_instant(soon)


async def test_a_token_made_with_a_sign_in_may_last_for_ever(client: Caller, make: Make) -> None:
    assert (await make.token())["expires_at"] is None
    assert (await make.token(expires_at="2999-01-01T00:00:00Z"))["expires_at"] == "2999-01-01T00:00:00Z"
