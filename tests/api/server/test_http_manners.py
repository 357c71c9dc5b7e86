"""Requests as other programs send them: HEAD, trailing slashes, byte order marks, compressed bodies, proxies."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from leadvibe.config import settings
from leadvibe.leads.importing.reading import MAX_FILE_BYTES
from leadvibe.server.app import MAX_BODY_BYTES, create_app
from support.callers import Caller, caller
from support.lifespan import running
from support.make import Make
from support.world import PASSWORD, World

BOM = b"\xef\xbb\xbf"
EVENT = {"lead_id": "ada", "event_type": "page_view"}
LINES = b'{"lead_id": "ada", "event_type": "page_view"}\n{"lead_id": "bea", "event_type": "page_view"}\n'
LEAD = {"lead_id": "ada", "metadata": {"city": "Köln"}}
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
GZIPPED = {"Content-Encoding": "gzip"}
MIB = 1024 * 1024


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def form(content: bytes) -> tuple[bytes, dict[str, str]]:
    """A multipart form with a file, as bytes and headers."""
    request = httpx.Request("POST", "http://leadvibe.test", files={"file": ("a.csv", content, "text/csv")})
    return request.read(), {"Content-Type": request.headers["content-type"]}


def understood(response: httpx.Response) -> bool:
    """Whether the server read the body. The same lead can't be created twice."""
    return response.is_success or response.status_code == 409


CSV = form(b"lead_id,event_type\nada,page_view\nbea,page_view\n")
LEADS = form(b"Email\nada@example.com\n")
BODIES = [
    ("/ingest", encoded(EVENT), JSON, 202),
    ("/ingest/batch", encoded([EVENT]), JSON, 202),
    ("/ingest/batch", LINES, NDJSON, 202),
    ("/leads", encoded(LEAD), JSON, 201),
    ("/scores/batch", encoded({"lead_ids": ["ada"]}), JSON, 200),
    ("/orders", encoded({"order_id": "1", "lead_id": "ada", "amount": "1.00", "currency": "EUR"}), JSON, None),
]
FILES = [
    ("/import", *CSV, 202),
    ("/leads/import/preview", *LEADS, 200),
]


async def test_head_of_a_stream_ends_at_once(client: Caller) -> None:
    async with asyncio.timeout(20):
        response = await client.head("/stream")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"].startswith("text/event-stream")


async def test_head_of_something_missing_is_404_without_a_body(client: Caller) -> None:
    response = await client.head("/leads/nobody")
    assert (response.status_code, response.content) == (404, b"")


async def test_head_is_refused_where_there_is_no_get(client: Caller) -> None:
    for path in ("/ingest", "/auth/login"):
        response = await client.head(path)
        assert (response.status_code, response.content) == (405, b"")


async def test_allow_names_head_beside_get(client: Caller) -> None:
    response = await client.post("/usage")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"


async def test_writes_accept_a_trailing_slash(client: Caller) -> None:
    for path, body, headers, status in BODIES:
        response = await client.post(f"{path}/", content=body, headers=headers)
        assert understood(response), (status, response.text)


async def test_a_slash_that_belongs_to_a_name_stays(
    client: Caller, make: Make, drain: Callable[[], Awaitable[None]]
) -> None:
    for name in ("a/", "a/b", "a"):
        await make.event(name)
    await drain()
    for name in ("a%2F", "a%2Fb", "a"):
        response = await client.put(f"/settings/ou/event-types/{name}/", json={"hidden": True})
        assert response.status_code == 204, response.text


async def test_no_path_redirects(client: Caller) -> None:
    for path in ("/event-types//", "/nothing/", "//", "/ingest%2F", "/leads/%2F"):
        for method in ("GET", "PUT", "POST"):
            assert (await client.request(method, path, json={})).status_code not in range(300, 400)


async def test_a_bom_before_a_body_is_ignored(client: Caller) -> None:
    for path, body, headers, _ in BODIES:
        expected = await client.post(path, content=body, headers=headers)
        response = await client.post(path, content=BOM + body, headers=headers)
        assert understood(response), response.text
        if path == "/ingest/batch":
            assert response.json() == expected.json()


async def test_a_bom_in_several_parts_is_ignored(client: Caller) -> None:
    async def parts() -> AsyncGenerator[bytes]:
        for byte in BOM + encoded({"lead_ids": ["ada"]}):
            yield bytes([byte])

    response = await client.post("/scores/batch", content=parts(), headers=JSON)
    assert response.status_code == 200, response.text


async def test_a_gzipped_body_is_decoded(client: Caller) -> None:
    for path, body, headers, status in [*BODIES, *FILES]:
        for encoding in ("gzip", "x-gzip", "GZIP", "identity, gzip", "gzip, "):
            zipped = gzip.compress(body)
            response = await client.post(path, content=zipped, headers={**headers, "Content-Encoding": encoding})
            assert understood(response), (status, response.text)


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(BOM + LINES),
        gzip.compress(LINES[:30]) + gzip.compress(LINES[30:]),
        gzip.compress(b"") + gzip.compress(LINES) + b"\0" * 512,
    ],
    ids=["a BOM", "two members", "an empty member and padding"],
)
async def test_all_members_of_a_gzipped_body_count(client: Caller, body: bytes) -> None:
    response = await client.post("/ingest/batch", content=body, headers={**NDJSON, **GZIPPED})
    assert (response.status_code, response.json()["accepted"], response.json()["rejected"]) == (202, 2, 0)


async def test_identity_changes_nothing(client: Caller) -> None:
    response = await client.post("/ingest", json=EVENT, headers={"Content-Encoding": "identity"})
    assert response.status_code == 202


async def test_other_encodings_are_415(client: Caller) -> None:
    for path, body, headers, _ in [BODIES[0], BODIES[3], *FILES]:
        for encoding in ("br", "deflate", "gzip, gzip", "zstd", "gzip, br"):
            response = await client.post(path, content=body, headers={**headers, "Content-Encoding": encoding})
            assert (response.status_code, response.headers["accept-encoding"]) == (415, "gzip")
            assert response.json()["detail"].startswith("Content-Encoding: ")


async def test_broken_gzip_is_400(client: Caller) -> None:
    for path, _, headers, _ in [*BODIES, *FILES]:
        for broken in (b"not gzip", gzip.compress(LINES)[:-9], gzip.compress(LINES) + b"rest", zlib.compress(LINES)):
            response = await client.post(path, content=broken, headers={**headers, **GZIPPED})
            if path != "/import":  # the part that arrived is accepted, or nothing
                assert response.status_code == 400, response.text
                assert path.endswith("preview") or "gzip" in response.json()["detail"]
            else:
                assert response.status_code == 400 or "gzip" in response.text


@pytest.mark.parametrize(
    ("path", "headers", "limit", "start"),
    [
        ("/ingest", JSON, MIB, b""),
        ("/ingest/batch", NDJSON, 10 * MIB, b""),
        ("/leads", JSON, MAX_BODY_BYTES, b""),
        ("/leads/import/preview", LEADS[1], MAX_FILE_BYTES, LEADS[0].rpartition(b"\r\n--")[0]),
    ],
)
async def test_a_small_body_that_grows_too_large_is_413_before_all_is_read(
    client: Caller, path: str, headers: dict[str, str], limit: int, start: bytes
) -> None:
    megabyte = gzip.compress(b" " * MIB)  # 1 KiB
    sent = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal sent
        yield gzip.compress(start)
        while sent < 3 * limit // MIB + 8:
            sent += 1
            yield megabyte

    response = await client.post(path, content=endless(), headers={**headers, **GZIPPED})
    assert response.status_code == 413, response.text
    assert sent <= limit // MIB + 2


@pytest.fixture
async def behind_proxy(
    monkeypatch: pytest.MonkeyPatch, database: Any, world: World
) -> AsyncGenerator[Callable[..., Awaitable[tuple[Caller, Any]]]]:
    """Builds clients of a server with other settings."""
    async with AsyncExitStack() as stack:

        async def build(**variables: str) -> tuple[Caller, Any]:
            for name, value in variables.items():
                monkeypatch.setenv(f"LEADVIBE_{name.upper()}", value)
            settings.cache_clear()
            app = create_app()
            await stack.enter_async_context(running(app))
            return await stack.enter_async_context(caller(app, world.admin)), app

        yield build
    settings.cache_clear()  # monkeypatch restores the environment after this


async def _link_and_cookie(client: Caller) -> tuple[str, bool]:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "proxy.example.com", "X-Forwarded-For": "9.9.9.9"}
    link = (await client.get("/events", headers=headers)).headers["link"]
    body = {"email": client.who.email, "password": PASSWORD}
    cookie = (await client.post("/auth/login", json=body, headers=headers)).headers["set-cookie"]
    return link.partition("/events")[0], "secure" in cookie.lower()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ("<http://leadvibe.test", False)),
        ({"trusted_proxies": "127.0.0.0/8"}, ("<https://proxy.example.com", True)),
        ({"trusted_proxies": "192.0.2.0/24"}, ("<http://leadvibe.test", False)),
        ({"public_url": "https://leads.example.com/"}, ("<https://leads.example.com", True)),
        (
            {"public_url": "http://leads.example.com", "trusted_proxies": "127.0.0.1"},
            ("<http://leads.example.com", False),
        ),
    ],
)
async def test_links_and_cookies_follow_the_address_of_the_server(
    behind_proxy: Any, variables: dict[str, str], expected: tuple[str, bool]
) -> None:
    client, _ = await behind_proxy(**variables)
    assert await _link_and_cookie(client) == expected
