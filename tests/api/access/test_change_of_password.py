"""A member changes their password."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from leadvibe.access.authentication.passwords import verify_password
from leadvibe.access.sign_in import service
from support.callers import Caller
from support.following import following
from support.sign_in import browser, sign_in
from support.world import PASSWORD, World

NEW_PASSWORD = "seventeen quiet lanterns"


@pytest.fixture
async def reader(app: Any, world: World) -> AsyncGenerator[Caller]:
    """The viewer, signed in with a password and with an `activeOu` cookie."""
    async with browser(app, world.viewer) as own:
        assert (await own.post("/org-units/active", json={"ouId": own.unit_id})).status_code == 204
        yield own


async def test_a_new_password_needs_the_current_one(reader: Caller, anonymous: Caller) -> None:
    body = {"current_password": "not the password", "new_password": NEW_PASSWORD}
    response = await reader.put("/auth/password", json=body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["current_password"]
    assert (await reader.get("/me")).status_code == 200
    assert (await sign_in(anonymous, "viewer@acme.example")).status_code == 200


async def test_a_change_of_password_sets_the_cookies_of_a_new_sign_in(
    app: Any, reader: Caller, anonymous: Caller
) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    response = await reader.put("/auth/password", json=body)
    assert (response.status_code, response.content) == (204, b"")
    assert (await reader.get("/me")).status_code == 401
    token = (await reader.post("/auth/refresh")).json()["access_token"]
    assert (await anonymous.get("/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200
    async with following(app, {"Cookie": f"activeOu={reader.cookies['activeOu']}"}) as stream:
        assert stream.status == 200
    anonymous.cookies.clear()
    assert (await sign_in(anonymous, "viewer@acme.example")).status_code == 401
    assert (await sign_in(anonymous, "viewer@acme.example", NEW_PASSWORD)).status_code == 200


async def test_a_credential_has_no_password(basic: Caller) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await basic.put("/auth/password", json=body)).status_code == 401


async def test_a_sign_in_that_overlaps_a_change_of_password_is_refused(
    client: Caller, anonymous: Caller, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def verify_and_change(password: str, password_hash: str | None) -> bool:
        verified = await verify_password(password, password_hash)
        await client.put(f"/members/{world.viewer.member_id}", json={"password": NEW_PASSWORD})
        return verified

    monkeypatch.setattr(service, "verify_password", verify_and_change)
    assert (await sign_in(anonymous, "viewer@acme.example")).status_code == 401
    assert "refresh_token" not in anonymous.cookies
