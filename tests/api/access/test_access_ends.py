"""Access ends everywhere when a sign-in ends, a password changes, a member leaves or a token is revoked or expires."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import time
from typing import Any

import pytest

from leadvibe.access.authentication.proofs import hold
from leadvibe.access.personal_tokens import repository
from leadvibe.server.app import create_app
from leadvibe.stream import guard
from support.callers import Caller, basic_authorization
from support.following import Stream, following
from support.issuer import Issuer
from support.lifespan import running
from support.make import Make
from support.postgres import TestDatabase
from support.sign_in import browser, sign_in
from support.world import PASSWORD, World

NEW_PASSWORD = "seventeen quiet lanterns"


@pytest.fixture
async def elsewhere(app: Any) -> AsyncGenerator[Any]:
    """Another API process: another application on the same database."""
    other = create_app()
    async with running(other):
        yield other


@pytest.fixture
async def reader(app: Any, world: World) -> AsyncGenerator[Caller]:
    """The viewer, signed in with a password and with an `activeOu` cookie."""
    async with browser(app, world.viewer) as own:
        assert (await own.post("/org-units/active", json={"ouId": own.unit_id})).status_code == 204
        yield own


def cookie(caller: Caller) -> dict[str, str]:
    return {"Cookie": f"activeOu={caller.cookies['activeOu']}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status(caller: Caller, headers: dict[str, str]) -> int:
    return (await caller.get("/me", headers=headers)).status_code


async def stream_status(app: Any, headers: dict[str, str]) -> int:
    async with following(app, headers) as stream:
        return stream.status


@asynccontextmanager
async def open_streams(app: Any, *headers: dict[str, str]) -> AsyncGenerator[list[Stream]]:
    if not headers:
        yield []
        return
    async with following(app, headers[0]) as first, open_streams(app, *headers[1:]) as others:
        assert first.status == 200
        yield [first, *others]


async def log_out(reader: Caller, client: Caller) -> None:
    assert (await reader.post("/auth/logout")).status_code == 204


async def log_out_without_cookies(reader: Caller, client: Caller) -> None:
    reader.cookies.clear()
    assert (await reader.post("/auth/logout")).status_code == 204


async def reuse_a_refresh_token(reader: Caller, client: Caller) -> None:
    spent = reader.cookies["refresh_token"]
    await reader.post("/auth/refresh")
    reader.cookies.clear()
    assert (await reader.post("/auth/refresh", headers={"Cookie": f"refresh_token={spent}"})).status_code == 401


async def change_the_password(reader: Caller, client: Caller) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await reader.put("/auth/password", json=body)).status_code == 204


async def let_an_admin_change_the_password(reader: Caller, client: Caller) -> None:
    path = f"/members/{reader.member_id}"
    assert (await client.put(path, json={"password": NEW_PASSWORD})).status_code == 204


async def delete_the_member(reader: Caller, client: Caller) -> None:
    assert (await client.delete(f"/members/{reader.member_id}")).status_code == 204


async def remove_from_the_ou(reader: Caller, client: Caller) -> None:
    assert (await client.delete(f"/org-units/{client.unit_id}/members/{reader.member_id}")).status_code == 204


End = Callable[[Caller, Caller], Awaitable[None]]
ENDS_THE_SIGN_IN: list[End] = [
    log_out,
    log_out_without_cookies,
    reuse_a_refresh_token,
    change_the_password,
    let_an_admin_change_the_password,
    delete_the_member,
]
ENDS_PERSONAL_TOKENS: list[End] = [change_the_password, let_an_admin_change_the_password, delete_the_member]


@pytest.fixture
def only_notifications(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are checked when a notification arrives, and not from time to time."""
    monkeypatch.setattr(guard, "RECHECK_SECONDS", 3600.0)


@pytest.mark.usefixtures("only_notifications")
@pytest.mark.parametrize("end", [*ENDS_THE_SIGN_IN, remove_from_the_ou])
async def test_the_streams_of_a_sign_in_end_on_every_process(
    app: Any, elsewhere: Any, reader: Caller, client: Caller, end: End
) -> None:
    by_token = {"Authorization": reader.headers["Authorization"]}
    here, there = open_streams(app, by_token, cookie(reader)), open_streams(elsewhere, by_token, cookie(reader))
    async with here as first, there as second:
        await end(reader, client)
        for stream in (*first, *second):
            assert await stream.rest() == []


@pytest.mark.parametrize("end", ENDS_THE_SIGN_IN)
async def test_the_access_token_and_the_cookies_of_a_sign_in_end(
    app: Any, reader: Caller, client: Caller, anonymous: Caller, end: End
) -> None:
    by_token, by_cookie = {"Authorization": reader.headers["Authorization"]}, cookie(reader)
    refresh = {"Cookie": f"refresh_token={reader.cookies['refresh_token']}"}
    assert await status(anonymous, by_token) == 200
    await end(reader, client)
    assert await status(anonymous, by_token) == 401
    assert await stream_status(app, by_cookie) == 401
    assert (await anonymous.post("/auth/refresh", headers=refresh)).status_code == 401


@pytest.mark.parametrize("end", ENDS_PERSONAL_TOKENS)
async def test_personal_tokens_end_with_the_password_and_the_member(
    app: Any, reader: Caller, client: Caller, anonymous: Caller, end: End
) -> None:
    token = bearer((await reader.post("/settings/tokens", json={"name": "A script"})).json()["token"])
    async with following(app, token) as stream:
        await end(reader, client)
        assert await status(anonymous, token) == 401
        assert await stream.rest() == []


async def test_signing_out_leaves_personal_tokens_and_other_sign_ins(
    app: Any, reader: Caller, client: Caller, anonymous: Caller, world: World
) -> None:
    token = bearer((await reader.post("/settings/tokens", json={"name": "A script"})).json()["token"])
    async with browser(app, world.viewer) as other:
        await log_out(reader, client)
        assert await status(anonymous, token) == 200
        assert (await other.get("/me")).status_code == 200


async def test_a_member_who_leaves_an_ou_keeps_the_streams_of_others(
    app: Any, reader: Caller, client: Caller, operator: Caller, basic: Caller
) -> None:
    others = open_streams(app, dict(operator.headers), dict(basic.headers), dict(client.headers))
    async with others as staying, open_streams(app, cookie(reader)) as leaving:
        await remove_from_the_ou(reader, client)
        assert await leaving[0].rest() == []
        await app.state.stream_guard._end_streams_without_access()
        assert not any(stream.ended.is_set() for stream in staying)
        assert all(stream.allowed for stream in app.state.stream_guard._streams)


@pytest.mark.usefixtures("only_notifications")
async def test_the_stream_of_a_revoked_credential_ends(app: Any, client: Caller, make: Make, elsewhere: Any) -> None:
    made = await make.credential()
    headers = {"Authorization": basic_authorization(made["client_id"], made["client_secret"])}
    async with following(app, headers) as here, following(elsewhere, headers) as there:
        await client.delete(f"/secrets/{made['secret_id']}")
        assert await here.rest() == await there.rest() == []


@pytest.mark.usefixtures("only_notifications")
async def test_an_admin_who_becomes_an_editor_loses_the_streams_of_other_ous(
    app: Any, client: Caller, anonymous: Caller, make: Make, neighbour: Caller
) -> None:
    second = await make.member("second@acme.example", role="admin", password=PASSWORD)
    await sign_in(anonymous, "second@acme.example")
    async with following(app, dict(anonymous.headers), ouId=neighbour.unit_id) as stream:
        await client.put(f"/members/{second['org_member_id']}", json={"role": "editor"})
        assert await stream.rest() == []


EXPIRE = {
    "sign-in": "UPDATE sign_ins SET expires_at = now()",
    "personal token": "UPDATE personal_tokens SET expires_at = now()",
    "membership": "DELETE FROM unit_memberships WHERE unit_id = $1",
}


@pytest.fixture
async def quick_checks(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications that start now check their streams without waiting for notifications."""
    monkeypatch.setattr(guard, "RECHECK_SECONDS", 0.01)


def test_streams_are_checked_at_least_every_four_seconds() -> None:
    assert guard.RECHECK_SECONDS + guard.PAUSE_SECONDS < 4.0


@pytest.mark.usefixtures("quick_checks")
@pytest.mark.parametrize("what", EXPIRE)
async def test_what_ends_without_a_notification_is_noticed_at_the_next_check(
    elsewhere: Any, reader: Caller, database: TestDatabase, what: str
) -> None:
    token = bearer((await reader.post("/settings/tokens", json={"name": "A script"})).json()["token"])
    async with following(elsewhere, token if what == "personal token" else cookie(reader)) as stream:
        statement = EXPIRE[what]
        await database.execute(statement, *([reader.unit_id] if "$1" in statement else []))
        assert await stream.rest() == []


async def test_a_stream_ends_when_the_access_token_that_opened_it_expires(
    app: Any, reader: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(app, {"Authorization": reader.headers["Authorization"]}) as stream:
        [watched] = app.state.stream_guard._streams
        expires_at = watched.scope.proof.expires_at
        later = type("Later", (), {"now": staticmethod(lambda _zone: expires_at)})
        monkeypatch.setattr("leadvibe.access.authentication.proofs.datetime", later)
        app.state.stream_guard.recheck()
        assert await stream.rest() == []


async def test_a_cookie_that_another_kind_of_token_chose_ends_with_the_token(
    app: Any, client: Caller, anonymous: Caller, make: Make
) -> None:
    made = await make.token()
    await anonymous.post("/org-units/active", json={"ouId": client.unit_id}, headers=bearer(made["token"]))
    async with following(app, cookie(anonymous)) as stream:
        assert stream.status == 200
        await client.delete(f"/settings/tokens/{made['id']}")
        assert await stream.rest() == []
    assert await stream_status(app, cookie(anonymous)) == 401


async def test_a_cookie_that_an_outside_issuers_token_chose_expires_with_the_token(
    app: Any, anonymous: Caller, world: World, issuer: Issuer
) -> None:
    soon = int(time()) + 60
    headers = bearer(issuer.token("first", exp=soon))
    await anonymous.post("/org-units/active", json={"ouId": world.viewer.unit_id}, headers=headers)
    async with following(app, cookie(anonymous)) as stream, following(app, headers) as other:
        assert stream.status == other.status == 200
        proofs = [watched.scope.proof for watched in app.state.stream_guard._streams]
        assert {int(proof.expires_at.timestamp()) for proof in proofs} == {soon}


@pytest.mark.parametrize("by", ["sign-in", "personal token"])
async def test_a_personal_token_isnt_made_if_what_makes_it_ends_meanwhile(
    reader: Caller, database: TestDatabase, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    token = (await reader.post("/settings/tokens", json={"name": "A script"})).json()["token"]

    async def end_and_hold(session: Any, caller: Any) -> None:
        await database.execute("DELETE FROM sign_ins")
        await database.execute("DELETE FROM personal_tokens")
        await hold(session, caller)

    monkeypatch.setattr(repository, "hold", end_and_hold)
    headers = bearer(token) if by == "personal token" else {}
    made = await reader.post("/settings/tokens", json={"name": "Another"}, headers=headers)
    assert made.status_code == 401
    assert await database.fetchval("SELECT count(*) FROM personal_tokens") == 0
