"""Sign-in, refresh tokens and sign-out."""

# Wrong types are sent on purpose.
# pyright: reportArgumentType=false

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from argon2 import PasswordHasher

from leadvibe.access.authentication.access_tokens import issue_access_token
from leadvibe.access.models import Member
from leadvibe.access.secret_key import key_for
from leadvibe.core.database.transactions import transaction
from support.callers import Caller
from support.postgres import TestDatabase
from support.sign_in import browser, set_cookie, sign_in
from support.world import PASSWORD, World


@pytest.fixture
async def signed_in(app: Any, world: World) -> AsyncGenerator[Caller]:
    async with browser(app, world.admin) as own:
        yield own


async def member_of(world: World) -> Member:
    async with transaction(None) as session:
        return await session.get_one(Member, world.admin.member_id)


async def test_a_member_signs_in_with_email_and_password(anonymous: Caller, world: World) -> None:
    response = await sign_in(anonymous, "admin@acme.example")
    body = response.json()
    assert response.status_code == 200
    assert (body["token_type"], body["expires_in"], len(body)) == ("bearer", 900, 3)
    me = await anonymous.get("/auth/me")
    assert me.json() == {
        "org_member_id": world.admin.member_id,
        "first_name": "First",
        "last_name": "Admin",
        "email": "admin@acme.example",
        "role": "admin",
        "verified": True,
    }
    assert (await anonymous.get("/me")).json() == me.json()


async def test_the_access_token_contains_the_member(anonymous: Caller, world: World) -> None:
    token = (await sign_in(anonymous, "admin@acme.example")).json()["access_token"]
    claims = jwt.decode(token, key_for("access token"), algorithms=["HS256"])
    assert {name: claims[name] for name in ("iss", "sub", "org_id", "email", "role")} == {
        "iss": "leadvibe",
        "sub": world.admin.member_id,
        "org_id": world.admin.org_id,
        "email": "admin@acme.example",
        "role": "admin",
    }
    assert claims["exp"] - claims["iat"] == 900


async def test_case_and_surrounding_spaces_of_the_email_dont_matter(anonymous: Caller) -> None:
    assert (await sign_in(anonymous, "  Admin@ACME.example ")).status_code == 200


async def test_a_wrong_password_and_an_unknown_email_get_the_same_response(anonymous: Caller) -> None:
    wrong = await sign_in(anonymous, "admin@acme.example", "not the password")
    unknown = await sign_in(anonymous, "nobody@acme.example")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert "set-cookie" not in wrong.headers


@pytest.mark.parametrize("body", [{}, {"email": "a@b.c"}, {"email": "a@b.c", "password": 7}])
async def test_a_sign_in_without_a_password_is_invalid(anonymous: Caller, body: dict[str, Any]) -> None:
    response = await anonymous.post("/auth/login", json=body)
    assert response.status_code == 400
    assert "password" in {error["field"] for error in response.json()["errors"]}


async def test_a_member_without_a_password_cant_sign_in(anonymous: Caller, database: TestDatabase) -> None:
    await database.execute("UPDATE members SET password_hash = NULL WHERE email = 'admin@acme.example'")
    assert (await sign_in(anonymous, "admin@acme.example")).status_code == 401


async def test_a_hash_with_outdated_parameters_is_replaced_at_sign_in(
    anonymous: Caller, database: TestDatabase
) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await database.execute("UPDATE members SET password_hash = $1 WHERE email = 'admin@acme.example'", weak)
    assert (await sign_in(anonymous, "admin@acme.example")).status_code == 200
    stored = await database.fetchval("SELECT password_hash FROM members WHERE email = 'admin@acme.example'")
    assert stored != weak
    assert not PasswordHasher().check_needs_rehash(stored)
    assert (await sign_in(anonymous, "admin@acme.example")).status_code == 200


async def test_scripts_cant_read_the_refresh_cookie_and_other_sites_dont_send_it(anonymous: Caller) -> None:
    cookie = set_cookie(await sign_in(anonymous, "admin@acme.example"), "refresh_token").lower()
    assert all(part in cookie for part in ("; httponly", "; path=/auth", "; samesite=lax", "; max-age=2592000"))
    assert "secure" not in cookie


async def test_over_tls_the_refresh_cookie_is_secure(anonymous: Caller) -> None:
    body = {"email": "admin@acme.example", "password": PASSWORD}
    response = await anonymous.post("https://leadvibe.test/auth/login", json=body)
    assert "; secure" in set_cookie(response, "refresh_token").lower()


async def test_refresh_tokens_are_stored_as_digests(signed_in: Caller, database: TestDatabase) -> None:
    token = signed_in.cookies["refresh_token"]
    stored = await database.fetchval("SELECT token_digest FROM refresh_tokens")
    assert len(stored) == 32
    assert token.encode() not in stored


async def test_a_refresh_returns_a_new_access_token_and_a_new_cookie(signed_in: Caller) -> None:
    first = signed_in.cookies["refresh_token"]
    response = await signed_in.post("/auth/refresh")
    assert response.status_code == 200
    assert signed_in.cookies["refresh_token"] != first
    signed_in.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
    assert (await signed_in.get("/me")).status_code == 200
    assert (await signed_in.post("/auth/refresh")).status_code == 200


async def test_a_spent_refresh_token_ends_the_whole_sign_in(signed_in: Caller) -> None:
    spent = signed_in.cookies["refresh_token"]
    await signed_in.post("/auth/refresh")
    current = signed_in.cookies["refresh_token"]
    for token in (spent, current):
        signed_in.cookies.clear()
        response = await signed_in.post("/auth/refresh", headers={"Cookie": f"refresh_token={token}"})
        assert response.status_code == 401


async def test_another_sign_in_of_the_same_member_continues(app: Any, signed_in: Caller, world: World) -> None:
    async with browser(app, world.admin) as other:
        spent = signed_in.cookies["refresh_token"]
        await signed_in.post("/auth/refresh")
        signed_in.cookies.clear()
        await signed_in.post("/auth/refresh", headers={"Cookie": f"refresh_token={spent}"})
        assert (await other.post("/auth/refresh")).status_code == 200


async def test_of_concurrent_refreshes_only_one_succeeds(signed_in: Caller, database: TestDatabase) -> None:
    cookie = {"Cookie": f"refresh_token={signed_in.cookies['refresh_token']}"}
    signed_in.cookies.clear()
    answers = await asyncio.gather(*(signed_in.post("/auth/refresh", headers=cookie) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert await database.fetchval("SELECT count(*) FROM refresh_tokens") == 0


@pytest.mark.parametrize("cookies", [{}, {"refresh_token": "made-up"}, {"refresh_token": ""}])
async def test_a_refresh_without_a_valid_refresh_token_is_401(anonymous: Caller, cookies: dict[str, str]) -> None:
    anonymous.cookies.update(cookies)
    response = await anonymous.post("/auth/refresh")
    assert response.status_code == 401
    assert response.headers["www-authenticate"]


async def test_a_refresh_token_expires(signed_in: Caller, database: TestDatabase) -> None:
    await database.execute("UPDATE sign_ins SET expires_at = now()")
    assert (await signed_in.post("/auth/refresh")).status_code == 401


async def test_signing_in_deletes_expired_sign_ins(signed_in: Caller, database: TestDatabase) -> None:
    await database.execute("UPDATE sign_ins SET expires_at = now()")
    await sign_in(signed_in, "admin@acme.example")
    assert await database.fetchval("SELECT count(*) FROM refresh_tokens") == 1


async def test_signing_out_ends_the_sign_in_and_deletes_its_cookies(signed_in: Caller, database: TestDatabase) -> None:
    token = signed_in.cookies["refresh_token"]
    await signed_in.post("/org-units/active", json={"ouId": signed_in.unit_id})
    response = await signed_in.post("/auth/logout")
    assert response.status_code == 204
    assert dict(signed_in.cookies) == {}
    assert (await signed_in.post("/auth/refresh", headers={"Cookie": f"refresh_token={token}"})).status_code == 401
    assert await database.fetchval("SELECT count(*) FROM refresh_tokens") == 0


async def test_signing_out_without_a_sign_in_succeeds(anonymous: Caller) -> None:
    assert (await anonymous.post("/auth/logout")).status_code == 204
    assert (await anonymous.post("/auth/logout", headers={"Cookie": "refresh_token=made-up"})).status_code == 204


async def test_cleaning_up_keeps_the_sign_in_and_the_active_ou(signed_in: Caller) -> None:
    await signed_in.post("/org-units/active", json={"ouId": signed_in.unit_id})
    signed_in.cookies.set("access_token", "of an earlier flow", domain="leadvibe.test", path="/")
    response = await signed_in.post("/auth/cleanup")
    assert response.status_code == 204
    assert set(signed_in.cookies) == {"refresh_token", "activeOu"}


async def test_the_response_says_that_the_token_has_expired(
    anonymous: Caller, database: TestDatabase, world: World
) -> None:
    token = issue_access_token(await member_of(world), world.admin.sign_in_id, timedelta(seconds=-1))
    response = await anonymous.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 401
    assert "expired" in response.json()["detail"]


async def test_a_token_that_this_server_did_not_sign_is_refused(anonymous: Caller, world: World) -> None:
    sid = world.admin.sign_in_id
    claims = {"sub": world.admin.member_id, "sid": sid, "iss": "leadvibe", "iat": 1, "exp": 4_000_000_000, "jti": "a"}
    good = jwt.encode(claims, key_for("access token"), "HS256")
    forged = [
        jwt.encode(claims, None, "none"),
        jwt.encode(claims, b"k" * 32, "HS256"),
        jwt.encode(claims, key_for("active OU cookie"), "HS256"),
        jwt.encode(claims, key_for("access token") * 2, "HS512"),
        jwt.encode({**claims, "iss": "another"}, key_for("access token"), "HS256"),
        jwt.encode({name: claims[name] for name in claims if name != "exp"}, key_for("access token"), "HS256"),
        jwt.encode({**claims, "sub": "om_nobody"}, key_for("access token"), "HS256"),
        jwt.encode({**claims, "sub": world.viewer.member_id}, key_for("access token"), "HS256"),
        jwt.encode({**claims, "sid": "si_unknown"}, key_for("access token"), "HS256"),
        jwt.encode({name: claims[name] for name in claims if name != "sid"}, key_for("access token"), "HS256"),
        "not.a.token",
        "",
    ]
    assert (await anonymous.get("/me", headers={"Authorization": f"bearer {good}"})).status_code == 200
    for token in forged:
        response = await anonymous.get("/me", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 401, token
        assert response.headers["www-authenticate"]


@pytest.mark.parametrize("authorization", ["", "Digest a", "Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer a.b"])
async def test_an_invalid_authorization_header_is_401(anonymous: Caller, authorization: str) -> None:
    response = await anonymous.get("/org-units", headers={"Authorization": authorization})
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"


async def test_operations_for_members_refuse_a_credential(basic: Caller) -> None:
    assert (await basic.get("/auth/me")).status_code == 401
    assert (await basic.get("/settings/tokens")).status_code == 401
