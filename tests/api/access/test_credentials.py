"""API credentials, and the cache of verified credentials."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from leadvibe.access.authentication import credential_cache
from leadvibe.access.authentication.credential_cache import CredentialCache
from leadvibe.core.database.transactions import asyncpg_dsn
from leadvibe.core.scope import Scope, system_scope
from support.callers import Caller, basic_authorization
from support.make import Make
from support.postgres import TestDatabase
from support.world import World

SCOPE = system_scope("org_a", "unit_a")


class Verification:
    """A fake verification of credentials that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.during_call: Callable[[], None] = lambda: None

    async def __call__(self) -> Scope:
        self.calls += 1
        self.during_call()
        return SCOPE


class Clock:
    """A monotonic clock in seconds that tests advance."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def verify() -> Verification:
    return Verification()


def basic_headers(credential: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": basic_authorization(credential["client_id"], credential["client_secret"])}


async def test_the_secret_of_a_new_credential_is_returned_once(client: Caller, database: TestDatabase) -> None:
    response = await client.post("/secrets", json={"name": "Production pipeline"})
    made = response.json()
    assert response.status_code == 200
    assert set(made) == {
        *("secret_id", "unit_id", "client_id", "client_secret", "name", "trust_upstream_consent", "created_at")
    }
    assert made["client_id"].startswith("lv_ci_")
    assert made["client_secret"].startswith("lv_cs_")
    secret = made.pop("client_secret")
    listed = (await client.get("/secrets")).json()
    assert listed[-1] == made
    assert "client_secret" not in listed[0]
    stored = "SELECT secret_digest FROM api_credentials WHERE secret_id = $1"
    assert await database.fetchval(stored, made["secret_id"]) == sha256(secret.encode()).digest()


async def test_a_credential_accesses_its_ou_as_operator(client: Caller, anonymous: Caller, make: Make) -> None:
    headers = basic_headers(await make.credential())
    rule = {"event_type": "signup", "weight": 5}
    assert (await anonymous.post("/rules", json=rule, headers=headers)).status_code == 201
    assert (await anonymous.get("/secrets", headers=headers)).status_code == 200
    assert (await anonymous.post("/secrets", json={"name": "More"}, headers=headers)).status_code == 403


async def test_a_wrong_secret_and_an_unknown_client_get_the_same_response(anonymous: Caller, world: World) -> None:
    known = world.credential.client_id or ""
    pairs = [(known, "lv_cs_wrong"), ("lv_ci_unknown", "lv_cs_wrong"), ("lv_ci_\x00", "a"), ("", ""), (known, "")]
    answers = [
        await anonymous.get("/org-units", headers={"Authorization": basic_authorization(*pair)}) for pair in pairs
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert "Basic" in answers[0].headers["www-authenticate"]


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 51}, {"name": 3}, {"name": "a\x00b"}])
async def test_a_name_must_have_1_to_50_characters(client: Caller, body: dict[str, Any]) -> None:
    response = await client.post("/secrets", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "name"


async def test_trust_in_upstream_consent_can_be_changed(client: Caller, make: Make) -> None:
    made = await make.credential()
    path = f"/secrets/{made['secret_id']}"
    assert (await client.put(path, json={"trust_upstream_consent": True})).status_code == 204
    assert (await client.get("/secrets")).json()[-1]["trust_upstream_consent"] is True
    shown = await client.put(path, json={"trust_upstream_consent": False}, headers={"Prefer": "return=representation"})
    assert (shown.status_code, shown.json()["trust_upstream_consent"]) == (200, False)


@pytest.mark.parametrize("body", [{}, {"trust_upstream_consent": "yes"}, {"trust_upstream_consent": 1}])
async def test_trust_in_upstream_consent_must_be_a_boolean(client: Caller, make: Make, body: dict[str, Any]) -> None:
    made = await make.credential()
    response = await client.put(f"/secrets/{made['secret_id']}", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "trust_upstream_consent"


async def test_only_an_owner_can_create_update_and_revoke_credentials(
    operator: Caller, viewer: Caller, make: Make
) -> None:
    path = f"/secrets/{(await make.credential())['secret_id']}"
    for caller in (operator, viewer):
        assert (await caller.get("/secrets")).status_code == 200
        assert (await caller.post("/secrets", json={"name": "Mine"})).status_code == 403
        assert (await caller.put(path, json={"trust_upstream_consent": True})).status_code == 403
        assert (await caller.delete(path)).status_code == 403


async def test_a_revoked_credential_stops_working_immediately(client: Caller, anonymous: Caller, make: Make) -> None:
    made = await make.credential()
    headers = basic_headers(made)
    assert (await anonymous.get("/org-units", headers=headers)).status_code == 200
    assert (await client.delete(f"/secrets/{made['secret_id']}")).status_code == 204
    assert (await anonymous.get("/org-units", headers=headers)).status_code == 401
    assert (await client.delete(f"/secrets/{made['secret_id']}")).status_code == 404


async def test_a_credential_of_the_active_ou_can_be_read_by_viewers(
    viewer: Caller, neighbour: Caller, stranger: Caller, make: Make
) -> None:
    made = await make.credential()
    del made["client_secret"]
    response = await viewer.get(f"/secrets/{made['secret_id']}")
    assert (response.status_code, response.json()) == (200, made)
    for other in (neighbour, stranger):
        assert (await other.get(f"/secrets/{made['secret_id']}")).status_code == 404
    assert (await viewer.get("/secrets/sec_unknown")).status_code == 404


async def test_a_cached_credential_is_not_verified_again_until_the_cache_is_cleared(verify: Verification) -> None:
    cache = CredentialCache()
    for authorization in ("Basic a", "Basic a", "Basic b", "Basic a"):
        assert await cache.get(authorization, verify) is SCOPE
    assert verify.calls == 2
    cache.clear()
    await cache.get("Basic a", verify)
    assert verify.calls == 3


async def test_a_cached_credential_expires_after_five_seconds(verify: Verification) -> None:
    clock = Clock()
    cache = CredentialCache(timer=clock)
    await cache.get("Basic a", verify)
    clock.now += 4.9
    await cache.get("Basic a", verify)
    assert verify.calls == 1
    clock.now += 0.1
    await cache.get("Basic a", verify)
    assert verify.calls == 2


async def test_a_credential_that_is_revoked_during_its_verification_is_not_cached(verify: Verification) -> None:
    cache = CredentialCache()
    verify.during_call = cache.clear
    await cache.get("Basic a", verify)
    await cache.get("Basic a", verify)
    assert verify.calls == 2


async def test_the_cache_has_a_maximum_size(verify: Verification) -> None:
    cache = CredentialCache(max_entries=2)
    for authorization in ("Basic a", "Basic b", "Basic c", "Basic a"):
        await cache.get(authorization, verify)
    assert verify.calls == 4


async def test_other_processes_are_notified_of_a_revocation(client: Caller, make: Make, database: TestDatabase) -> None:
    made = await make.credential()
    notifications: asyncio.Queue[str] = asyncio.Queue()
    connection = await asyncpg.connect(asyncpg_dsn(database.url))
    try:
        await connection.add_listener(
            credential_cache.CHANNEL, lambda *notification: notifications.put_nowait(notification[2])
        )
        await client.delete(f"/secrets/{made['secret_id']}")
        async with asyncio.timeout(30):
            assert await notifications.get() == credential_cache.CHANNEL
    finally:
        await connection.close()
