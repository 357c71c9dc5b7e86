"""The active OU of a request."""

from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from leadvibe.access import active_unit_cookie
from leadvibe.config import settings
from support.callers import Caller
from support.following import following
from support.make import Make
from support.postgres import TestDatabase
from support.sign_in import browser, set_cookie, sign_choice, sign_in, with_another_payload, with_another_signature
from support.world import World


@pytest.fixture
async def signed_in(app: Any, world: World) -> AsyncGenerator[Caller]:
    """The admin, without an X-OU-ID header."""
    async with browser(app, world.admin) as own:
        yield own


@pytest.fixture
def expired_cookies(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    monkeypatch.setenv("LEADVIBE_ACTIVE_UNIT_LIFETIME", "-PT1S")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


async def active_unit_of(caller: Caller, **headers: str) -> str:
    """The OU of the caller's request."""
    rulesets = await caller.get("/rulesets", headers=headers)
    assert rulesets.status_code == 200, rulesets.text
    return rulesets.json()[0]["unit_id"]


async def test_without_a_choice_the_default_ou_is_active(signed_in: Caller, make: Make) -> None:
    await make.unit()
    assert await active_unit_of(signed_in) == signed_in.unit_id


async def test_without_access_to_the_default_ou_the_only_ou_is_active(app: Any, world: World) -> None:
    async with browser(app, world.neighbour) as neighbour:
        assert await active_unit_of(neighbour) == world.neighbour.unit_id


async def test_without_access_to_the_default_ou_and_with_several_others_none_is_active(
    app: Any, world: World, make: Make, database: TestDatabase
) -> None:
    other = await make.unit()
    await database.execute(
        "INSERT INTO unit_memberships (unit_id, org_member_id, role) VALUES ($1, $2, 'Viewer')",
        other["unit_id"],
        world.neighbour.member_id,
    )
    async with browser(app, world.neighbour) as neighbour:
        response = await neighbour.get("/rulesets")
    assert response.status_code == 400
    assert "No OU is active" in response.json()["detail"]


async def test_a_member_of_no_ou_has_no_active_ou(app: Any, anonymous: Caller, make: Make) -> None:
    await make.member("lonely@acme.example", password="a long enough password")
    await sign_in(anonymous, "lonely@acme.example", "a long enough password")
    assert (await anonymous.get("/rulesets")).status_code == 400
    assert (await anonymous.get("/org-units")).json()["units"] == []


async def test_choosing_an_ou_sets_a_cookie(signed_in: Caller, make: Make) -> None:
    other = await make.unit("Elsewhere")
    response = await signed_in.post("/org-units/active", json={"ouId": other["unit_id"]})
    assert response.status_code == 204
    assert (response.headers["x-ou-id"], response.headers["x-ou-name"]) == (other["unit_id"], "Elsewhere")
    assert await active_unit_of(signed_in) == other["unit_id"]


async def test_scripts_cant_read_the_cookie_and_other_sites_dont_send_it(signed_in: Caller) -> None:
    body = {"ouId": signed_in.unit_id}
    cookie = set_cookie(await signed_in.post("/org-units/active", json=body), "activeOu").lower()
    assert all(part in cookie for part in ("; httponly", "; path=/;", "; samesite=lax", "; max-age=2592000"))
    assert "secure" not in cookie
    over_tls = await signed_in.post("https://leadvibe.test/org-units/active", json=body)
    assert "; secure" in set_cookie(over_tls, "activeOu").lower()


async def test_the_header_percent_encodes_a_name_that_is_not_ascii(signed_in: Caller, make: Make) -> None:
    unit = await make.unit("東京 100%")
    response = await signed_in.post("/org-units/active", json={"ouId": unit["unit_id"]})
    assert response.headers["x-ou-name"] == "%E6%9D%B1%E4%BA%AC 100%25"


async def test_the_header_overrides_the_cookie(signed_in: Caller, make: Make) -> None:
    other = await make.unit()
    await signed_in.post("/org-units/active", json={"ouId": other["unit_id"]})
    assert await active_unit_of(signed_in, **{"X-OU-ID": signed_in.unit_id}) == signed_in.unit_id


@pytest.mark.parametrize("unit_id", ["", "unit_unknown"])
async def test_a_header_with_an_unknown_ou_is_404(client: Caller, unit_id: str) -> None:
    assert (await client.get("/rulesets", headers={"X-OU-ID": unit_id})).status_code == 404


async def test_an_ou_without_access_is_404(client: Caller, viewer: Caller, world: World) -> None:
    for caller, unit_id in ((viewer, world.neighbour.unit_id), (client, world.stranger.unit_id)):
        assert (await caller.get("/rulesets", headers={"X-OU-ID": unit_id})).status_code == 404
        assert (await caller.post("/org-units/active", json={"ouId": unit_id})).status_code == 404


async def test_membership_is_checked_on_every_request(
    app: Any, world: World, client: Caller, database: TestDatabase
) -> None:
    async with browser(app, world.viewer) as viewer:
        await viewer.post("/org-units/active", json={"ouId": viewer.unit_id})
        assert await active_unit_of(viewer) == viewer.unit_id
        await client.delete(f"/org-units/{client.unit_id}/members/{world.viewer.member_id}")
        assert (await viewer.get("/rulesets")).status_code == 404


@pytest.mark.parametrize("change", [with_another_signature, with_another_payload, lambda _: "unit_default"])
async def test_a_forged_cookie_is_refused_and_the_error_names_it(signed_in: Caller, change: Any, world: World) -> None:
    forged = change(sign_choice(world.admin))
    response = await signed_in.get("/rulesets", headers={"Cookie": f"activeOu={forged}"})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["activeOu"]


async def test_a_cookie_alone_does_not_authenticate(anonymous: Caller, world: World) -> None:
    cookie = sign_choice(world.admin)
    assert (await anonymous.get("/rulesets", headers={"Cookie": f"activeOu={cookie}"})).status_code == 401


@pytest.mark.usefixtures("expired_cookies")
async def test_an_expired_cookie_is_refused_and_the_error_names_it(signed_in: Caller, world: World) -> None:
    cookie = sign_choice(world.admin)
    response = await signed_in.get("/rulesets", headers={"Cookie": f"activeOu={cookie}"})
    assert response.status_code == 400
    assert "expired" in response.json()["errors"][0]["message"]


async def test_a_cookie_of_an_earlier_version_chooses_the_ou_and_opens_streams_after_a_refresh(
    app: Any, signed_in: Caller, make: Make, world: World
) -> None:
    other = await make.unit()
    legacy = active_unit_cookie._serializer().dumps([world.admin.member_id, other["unit_id"], 4_000_000_000])
    signed_in.cookies.set("activeOu", legacy, domain="leadvibe.test", path="/")
    assert await active_unit_of(signed_in) == other["unit_id"]
    async with following(app, {"Cookie": f"activeOu={legacy}"}) as stream:
        assert stream.status == 401
    assert (await signed_in.post("/auth/refresh")).status_code == 200
    assert await active_unit_of(signed_in) == other["unit_id"]
    async with following(app, {"Cookie": f"activeOu={signed_in.cookies['activeOu']}"}) as stream:
        assert stream.status == 200


async def test_the_cookie_of_another_member_is_refused(app: Any, world: World) -> None:
    cookie = sign_choice(world.admin)
    async with browser(app, world.viewer) as viewer:
        response = await viewer.get("/rulesets", headers={"Cookie": f"activeOu={cookie}"})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "activeOu"


async def test_signing_in_deletes_the_cookie_of_another_member(signed_in: Caller) -> None:
    await signed_in.post("/org-units/active", json={"ouId": signed_in.unit_id})
    await sign_in(signed_in, "admin@acme.example")
    assert "activeOu" in signed_in.cookies
    await sign_in(signed_in, "viewer@acme.example")
    assert "activeOu" not in signed_in.cookies


async def test_with_an_invalid_cookie_a_member_can_still_choose_an_ou(signed_in: Caller) -> None:
    signed_in.cookies.set("activeOu", "forged", domain="leadvibe.test", path="/")
    assert (await signed_in.get("/me")).status_code == 200
    assert (await signed_in.post("/org-units/active", json={"ouId": signed_in.unit_id})).status_code == 204
    assert await active_unit_of(signed_in) == signed_in.unit_id


async def test_a_credential_ignores_the_header_and_the_cookie(basic: Caller, world: World) -> None:
    elsewhere = {"X-OU-ID": world.neighbour.unit_id, "Cookie": "activeOu=forged"}
    assert await active_unit_of(basic, **elsewhere) == basic.unit_id


async def test_a_credential_can_choose_its_own_ou_but_gets_no_cookie(basic: Caller, world: World) -> None:
    own = await basic.post("/org-units/active", json={"ouId": basic.unit_id})
    assert (own.status_code, own.headers["x-ou-id"]) == (204, basic.unit_id)
    assert "set-cookie" not in own.headers
    assert (await basic.post("/org-units/active", json={"ouId": world.neighbour.unit_id})).status_code == 404


@pytest.mark.parametrize("body", [{}, {"ouId": 7}, {"ouId": None}, {"ouId": "a\x00"}])
async def test_choosing_an_ou_requires_its_id(client: Caller, body: dict[str, Any]) -> None:
    response = await client.post("/org-units/active", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "ouId"
