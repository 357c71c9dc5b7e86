"""Credentials for programs, tokens for persons."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from leadvibe.access import cache
from leadvibe.core.database.transactions import asyncpg_dsn
from leadvibe.core.instants import show_instant
from leadvibe.core.scope import Scope, system_scope
from support.callers import Caller, basic_authorization
from support.make import Make
from support.postgres import TestDatabase
from support.world import World

SCOPE = system_scope("org_a", "unit_a")


class Asked:
    """A look-up that counts how often it was needed."""

    def __init__(self) -> None:
        self.times = 0
        self.meanwhile: Callable[[], None] = lambda: None

    async def __call__(self) -> Scope:
        self.times += 1
        self.meanwhile()
        return SCOPE


@pytest.fixture
def asked() -> Asked:
    return Asked()


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic_headers(credential: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": basic_authorization(credential["client_id"], credential["client_secret"])}


async def test_a_new_credential_shows_its_secret_once(client: Caller, database: TestDatabase) -> None:
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


async def test_a_credential_opens_its_ou_as_operator(client: Caller, anonymous: Caller, make: Make) -> None:
    headers = basic_headers(await make.credential())
    rule = {"event_type": "signup", "weight": 5}
    assert (await anonymous.post("/rules", json=rule, headers=headers)).status_code == 201
    assert (await anonymous.get("/secrets", headers=headers)).status_code == 200
    assert (await anonymous.post("/secrets", json={"name": "More"}, headers=headers)).status_code == 403


async def test_a_wrong_secret_and_an_unknown_client_look_the_same(anonymous: Caller, world: World) -> None:
    known = world.credential.client_id or ""
    pairs = [(known, "lv_cs_wrong"), ("lv_ci_unknown", "lv_cs_wrong"), ("lv_ci_\x00", "a"), ("", ""), (known, "")]
    answers = [
        await anonymous.get("/org-units", headers={"Authorization": basic_authorization(*pair)}) for pair in pairs
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert "Basic" in answers[0].headers["www-authenticate"]


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 51}, {"name": 3}, {"name": "a\x00b"}])
async def test_a_credential_has_a_name_of_up_to_50_characters(client: Caller, body: dict[str, Any]) -> None:
    response = await client.post("/secrets", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "name"


async def test_trust_in_upstream_consent_is_switched(client: Caller, make: Make) -> None:
    made = await make.credential()
    path = f"/secrets/{made['secret_id']}"
    assert (await client.put(path, json={"trust_upstream_consent": True})).status_code == 204
    assert (await client.get("/secrets")).json()[-1]["trust_upstream_consent"] is True
    shown = await client.put(path, json={"trust_upstream_consent": False}, headers={"Prefer": "return=representation"})
    assert (shown.status_code, shown.json()["trust_upstream_consent"]) == (200, False)


@pytest.mark.parametrize("body", [{}, {"trust_upstream_consent": "yes"}, {"trust_upstream_consent": 1}])
async def test_trust_is_yes_or_no(client: Caller, make: Make, body: dict[str, Any]) -> None:
    made = await make.credential()
    response = await client.put(f"/secrets/{made['secret_id']}", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "trust_upstream_consent"


async def test_only_an_owner_makes_changes_and_revokes_credentials(
    operator: Caller, viewer: Caller, make: Make
) -> None:
    path = f"/secrets/{(await make.credential())['secret_id']}"
    for caller in (operator, viewer):
        assert (await caller.get("/secrets")).status_code == 200
        assert (await caller.post("/secrets", json={"name": "Mine"})).status_code == 403
        assert (await caller.put(path, json={"trust_upstream_consent": True})).status_code == 403
        assert (await caller.delete(path)).status_code == 403


async def test_a_revoked_credential_is_refused_at_once(client: Caller, anonymous: Caller, make: Make) -> None:
    made = await make.credential()
    headers = basic_headers(made)
    assert (await anonymous.get("/org-units", headers=headers)).status_code == 200
    assert (await client.delete(f"/secrets/{made['secret_id']}")).status_code == 204
    assert (await anonymous.get("/org-units", headers=headers)).status_code == 401
    assert (await client.delete(f"/secrets/{made['secret_id']}")).status_code == 404


async def test_a_credential_that_was_seen_isnt_looked_up_again_until_one_is_revoked(asked: Asked) -> None:
    remembered = cache.CredentialCache()
    for authorization in ("Basic a", "Basic a", "Basic b", "Basic a"):
        assert await remembered.get(authorization, asked) is SCOPE
    assert asked.times == 2
    remembered.clear()
    await remembered.get("Basic a", asked)
    assert asked.times == 3


async def test_nor_for_longer_than_a_few_seconds(asked: Asked) -> None:
    now = 100.0
    remembered = cache.CredentialCache(timer=lambda: now)
    await remembered.get("Basic a", asked)
    now += 4.9
    await remembered.get("Basic a", asked)
    assert asked.times == 1
    now += 0.1
    await remembered.get("Basic a", asked)
    assert asked.times == 2


async def test_a_look_up_that_a_revocation_overtook_isnt_remembered(asked: Asked) -> None:
    remembered = cache.CredentialCache()
    asked.meanwhile = remembered.clear
    await remembered.get("Basic a", asked)
    await remembered.get("Basic a", asked)
    assert asked.times == 2


async def test_what_is_remembered_has_a_bound(asked: Asked) -> None:
    remembered = cache.CredentialCache(max_credentials=2)
    for authorization in ("Basic a", "Basic b", "Basic c", "Basic a"):
        await remembered.get(authorization, asked)
    assert asked.times == 4


async def test_the_other_processes_hear_of_a_revocation_when_it_commits(
    client: Caller, make: Make, database: TestDatabase
) -> None:
    made = await make.credential()
    heard: asyncio.Queue[str] = asyncio.Queue()
    connection = await asyncpg.connect(asyncpg_dsn(database.url))
    try:
        await connection.add_listener(cache.CHANNEL, lambda *told: heard.put_nowait(told[2]))
        await client.delete(f"/secrets/{made['secret_id']}")
        async with asyncio.timeout(30):
            assert await heard.get() == cache.CHANNEL
    finally:
        await connection.close()


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
    headers = bearing(token)
    assert (await anonymous.get("/me", headers=headers)).json()["org_member_id"] == world.viewer.member_id
    assert (await anonymous.get("/rulesets", headers=headers)).status_code == 200
    assert (await anonymous.post("/rulesets", json={"name": "Mine"}, headers=headers)).status_code == 403


async def test_a_personal_token_works_in_the_ou_that_is_asked_for(
    client: Caller, anonymous: Caller, make: Make
) -> None:
    other = await make.unit()
    headers = {**bearing((await make.token())["token"]), "X-OU-ID": other["unit_id"]}
    assert (await anonymous.get("/rulesets", headers=headers)).json()[0]["unit_id"] == other["unit_id"]


async def test_its_use_is_noted_at_most_once_a_minute(
    client: Caller, anonymous: Caller, make: Make, database: TestDatabase
) -> None:
    headers = bearing((await make.token())["token"])
    await anonymous.get("/me", headers=headers)
    first = (await client.get("/settings/tokens")).json()[0]["last_used_at"]
    assert first is not None
    await anonymous.get("/me", headers=headers)
    assert (await client.get("/settings/tokens")).json()[0]["last_used_at"] == first
    await database.execute("UPDATE personal_tokens SET last_used_at = last_used_at - interval '1 minute'")
    await anonymous.get("/me", headers=headers)
    assert (await client.get("/settings/tokens")).json()[0]["last_used_at"] >= first


async def test_a_personal_token_may_have_an_end(anonymous: Caller, make: Make, database: TestDatabase) -> None:
    ends = show_instant(datetime.now(UTC) + timedelta(days=1))
    made = await make.token(expires_at=ends)
    assert made["expires_at"] == ends
    assert (await anonymous.get("/me", headers=bearing(made["token"]))).status_code == 200
    await database.execute("UPDATE personal_tokens SET expires_at = now()")
    response = await anonymous.get("/me", headers=bearing(made["token"]))
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
async def test_a_personal_token_with_a_wrong_field_is_refused_by_its_name(
    client: Caller, field: str, value: str
) -> None:
    response = await client.post("/settings/tokens", json={"name": "A script", field: value})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_a_revoked_personal_token_is_refused(client: Caller, anonymous: Caller, make: Make) -> None:
    made = await make.token()
    assert (await client.delete(f"/settings/tokens/{made['id']}")).status_code == 204
    assert (await anonymous.get("/me", headers=bearing(made["token"]))).status_code == 401
    assert (await client.delete(f"/settings/tokens/{made['id']}")).status_code == 404


async def test_my_tokens_are_nobody_elses(client: Caller, viewer: Caller, make: Make) -> None:
    made = await make.token()
    assert (await viewer.get("/settings/tokens")).json() == []
    assert (await viewer.delete(f"/settings/tokens/{made['id']}")).status_code == 404


async def test_an_unknown_personal_token_is_refused(anonymous: Caller) -> None:
    assert (await anonymous.get("/me", headers=bearing("lv_pat_unknown"))).status_code == 401
