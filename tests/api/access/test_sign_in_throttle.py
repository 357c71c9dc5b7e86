"""Guessing passwords is slow, and doesn't slow down others."""

import asyncio
from typing import Any

import httpx
import pytest

from leadvibe.access.authentication import passwords
from leadvibe.access.sign_in import throttle
from support.callers import BASE_URL, Caller
from support.sign_in import sign_in
from support.world import PASSWORD


class Clock:
    """A monotonic clock in seconds that tests advance."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(throttle, "monotonic", own)
    return own


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checking a password takes no time. Only `PASSWORD` is right."""

    def matches(password: str, password_hash: str) -> bool:
        return password == PASSWORD and password_hash != passwords.DUMMY_HASH

    monkeypatch.setattr(passwords, "_matches", matches)


def client_at(app: Any, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url=BASE_URL)


async def attempt(client: httpx.AsyncClient, email: str, password: str = "wrong") -> httpx.Response:
    return await client.post("/auth/login", json={"email": email, "password": password})


async def fail(client: httpx.AsyncClient, email: str, number: int) -> list[int]:
    return [(await attempt(client, email)).status_code for _ in range(number)]


@pytest.mark.parametrize("email", ["viewer@acme.example", "nobody@acme.example"])
@pytest.mark.usefixtures("clock", "checked")
async def test_after_ten_wrong_passwords_an_account_is_throttled(app: Any, email: str) -> None:
    async with client_at(app, "192.0.2.1") as stranger:
        assert await fail(stranger, email, 11) == [401] * 10 + [429]
        refused = await attempt(stranger, f" {email.upper()} ", PASSWORD)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "90"
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.usefixtures("clock", "checked")
async def test_strangers_cant_lock_the_owner_out(app: Any) -> None:
    async with client_at(app, "192.0.2.1") as stranger, client_at(app, "192.0.2.2") as owner:
        assert (await fail(stranger, "viewer@acme.example", 11))[-1] == 429
        assert (await attempt(owner, "viewer@acme.example", PASSWORD)).status_code == 200


@pytest.mark.usefixtures("checked")
async def test_a_throttled_account_gets_another_attempt_after_the_time_stated(app: Any, clock: Clock) -> None:
    async with client_at(app, "192.0.2.1") as owner:
        await fail(owner, "viewer@acme.example", 10)
        clock.now += 89.0
        assert (await attempt(owner, "viewer@acme.example", PASSWORD)).headers["retry-after"] == "1"
        clock.now += 1.0
        assert (await attempt(owner, "viewer@acme.example", PASSWORD)).status_code == 200
        assert await fail(owner, "viewer@acme.example", 10) == [401] * 10


@pytest.mark.usefixtures("clock", "checked")
async def test_an_address_is_throttled_over_all_accounts(app: Any) -> None:
    async with client_at(app, "192.0.2.1") as stranger, client_at(app, "192.0.2.2") as other:
        for number in range(100):
            assert await fail(stranger, f"nobody{number}@acme.example", 1) == [401]
        assert (await attempt(stranger, "viewer@acme.example", PASSWORD)).status_code == 429
        assert (await attempt(other, "viewer@acme.example", PASSWORD)).status_code == 200


@pytest.mark.usefixtures("clock", "checked")
async def test_ipv6_addresses_of_one_network_are_throttled_together(app: Any) -> None:
    async with client_at(app, "2001:db8::1") as one, client_at(app, "2001:db8::2") as two:
        await fail(one, "viewer@acme.example", 10)
        assert (await attempt(two, "viewer@acme.example")).status_code == 429
    async with client_at(app, "2001:db8:0:1::1") as far:
        assert (await attempt(far, "viewer@acme.example", PASSWORD)).status_code == 200


@pytest.mark.usefixtures("clock", "checked")
async def test_a_success_clears_the_failures_of_the_account(app: Any) -> None:
    async with client_at(app, "192.0.2.1") as owner:
        for _ in range(10):
            assert await fail(owner, "viewer@acme.example", 9) == [401] * 9
            assert (await attempt(owner, "viewer@acme.example", PASSWORD)).status_code == 200
            await asyncio.gather(*(attempt(owner, "viewer@acme.example", PASSWORD) for _ in range(5)))


@pytest.mark.usefixtures("clock", "checked")
async def test_the_current_password_cant_be_guessed_by_changing_it(viewer: Caller) -> None:
    body = {"current_password": "wrong", "new_password": "seventeen quiet lanterns"}
    answers = [(await viewer.put("/auth/password", json=body)).status_code for _ in range(11)]
    assert answers == [400] * 10 + [429]


@pytest.mark.usefixtures("clock")
async def test_a_flood_of_sign_ins_is_refused_at_once_and_others_get_their_turn(
    app: Any,
) -> None:
    """Twenty attempts from one address arrive together: five are checked, and one from elsewhere gets through."""
    assert throttle.MAX_AT_ONCE < passwords.MAX_WAITING
    async with client_at(app, "192.0.2.1") as stranger, client_at(app, "192.0.2.2") as owner:
        flood = [asyncio.ensure_future(attempt(stranger, f"nobody{number}@acme.example")) for number in range(20)]
        good = asyncio.ensure_future(attempt(owner, "viewer@acme.example", PASSWORD))
        answers = sorted([answer.status_code for answer in await asyncio.gather(*flood)])
        assert answers == [401] * 5 + [429] * 15
        assert (await good).status_code == 200
        assert (await attempt(stranger, "viewer@acme.example", PASSWORD)).status_code == 200


async def test_a_flood_from_many_addresses_is_busy_and_counts_as_no_failure(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords._places, "_value", 0)
    async with client_at(app, "192.0.2.1") as client:
        busy = await attempt(client, "viewer@acme.example", PASSWORD)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
        assert await fail(client, "viewer@acme.example", 12) == [503] * 12
        monkeypatch.undo()
        assert (await attempt(client, "viewer@acme.example", PASSWORD)).status_code == 200


class Body:
    """A body that counts the pieces that were read."""

    def __init__(self, piece: bytes, number: int) -> None:
        self.piece = piece
        self.left = number
        self.read = 0

    async def receive(self) -> dict[str, Any]:
        self.read += 1
        self.left -= 1
        return {"type": "http.request", "body": self.piece, "more_body": self.left > 0}


async def send(app: Any, method: str, path: str, body: Body, headers: dict[str, str]) -> int:
    statuses: list[int] = []

    async def collect(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 1),
        "server": ("leadvibe.test", 80),
    }
    await app(scope, body.receive, collect)
    return statuses[0]


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/rules"),
        ("PUT", "/auth/password"),
        ("POST", "/settings/tokens"),
        ("PATCH", "/leads/a/metadata"),
        ("POST", "/ingest"),
        ("POST", "/ingest/batch"),
        ("POST", "/import"),
        ("POST", "/leads/import/preview"),
    ],
)
@pytest.mark.parametrize("authorization", [{}, {"Authorization": "Bearer nonsense"}])
async def test_the_body_of_an_unknown_caller_is_not_read(
    app: Any, method: str, path: str, authorization: dict[str, str]
) -> None:
    body = Body(b'{"name": "a"}', 1)
    assert await send(app, method, path, body, {**JSON, **authorization}) == 401
    assert body.read == 0


async def test_the_body_of_a_sign_in_is_short(app: Any) -> None:
    body = Body(b" " * 1024, 1000)
    assert await send(app, "POST", "/auth/login", body, JSON) == 413
    assert body.read <= 17


async def test_an_unknown_path_is_404_for_everyone(anonymous: Caller) -> None:
    assert (await anonymous.post("/nowhere", json={})).status_code == 404
    assert (await sign_in(anonymous, "viewer@acme.example")).status_code == 200


async def test_a_database_failure_while_the_caller_is_authenticated_is_503(
    client: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_authorization: str | None) -> None:
        raise ConnectionRefusedError("no database")

    monkeypatch.setattr("leadvibe.access.known_callers.caller_of", fail)
    assert (await client.post("/rules", json={})).status_code == 503
