"""Connections to an API process: limits on request heads, and clients that send or read too slowly."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import uvicorn

from leadvibe.config import settings
from leadvibe.server import http_protocol
from leadvibe.server.http_protocol import BoundedHttpProtocol
from support.serving import free_port
from support.waiting import eventually

SHORT = timedelta(milliseconds=20)
TIMEOUTS = {"request_head_timeout": SHORT, "request_body_timeout": SHORT, "response_timeout": SHORT}


async def until(check: Callable[[], object]) -> None:
    async def checked() -> object:
        return check()

    await eventually(checked, every=0)


Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def echo_length(scope: Any, receive: Any, send: Any) -> None:
    """Responds with the length of the body, or with 64 MB to /large."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    answer = b"x" * 2**26 if scope["path"] == "/large" else str(len(body)).encode()
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@asynccontextmanager
async def serving(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> AsyncGenerator[tuple[uvicorn.Server, Connect]]:
    """A server with these settings, and a function that connects to it."""
    values = settings().model_copy(update=changed)
    monkeypatch.setattr(http_protocol, "settings", lambda: values)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            echo_length, port=port, http=BoundedHttpProtocol, lifespan="off", ws="none", log_config=None, loop="none"
        )
    )
    async with asyncio.timeout(60), asyncio.TaskGroup() as running:
        running.create_task(server.serve())
        await until(lambda: server.started)
        try:
            yield server, lambda: asyncio.open_connection("127.0.0.1", port)
        finally:
            server.should_exit = True


async def answer(connect: Connect, request: bytes) -> tuple[int, dict[str, Any] | int]:
    """The status and the body of the response."""
    reader, writer = await connect()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    body = json.loads(await reader.readexactly(length))
    writer.close()
    return int(head.split()[1]), body


def request(*headers: tuple[str, str], path: str = "/", body: bytes = b"") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *(f"{n}: {v}" for n, v in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_a_request_within_the_limits_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch, max_headers=4, max_header_bytes=200) as (_, connect):
        assert await answer(connect, request(("A", "1"), ("B", "x" * 100), body=b"12345")) == (200, 5)


@pytest.mark.parametrize(
    "sent",
    [
        request(*[(f"H{number}", "x") for number in range(3)]),
        request(("A", "x" * 200)),
        request(path="/" + "x" * 200),
    ],
    ids=["many headers", "a long header", "a long path"],
)
async def test_a_large_head_is_a_431_that_names_the_settings(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    async with serving(monkeypatch, max_headers=4, max_header_bytes=200) as (_, connect):
        status, problem = await answer(connect, sent)
        assert isinstance(problem, dict)
        assert (status, problem["status"], problem["title"]) == (431, 431, "Request headers too large")
        assert "LEADVIBE_MAX_HEADERS" in problem["detail"]
        assert "LEADVIBE_MAX_HEADER_BYTES" in problem["detail"]


async def test_a_header_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as (server, connect):
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nA: ")
        await until(lambda: server.server_state.connections)
        sent = 0
        with suppress(ConnectionError):
            while server.server_state.connections:
                writer.write(b"x" * 2**14)
                sent += 2**14
                await writer.drain()
        assert sent < 100 * 2**20
        with suppress(ConnectionError):  # the refusal can be lost, because the client still sends
            assert b"HTTP/1.1 431 " in await reader.read()
        writer.close()


async def test_what_is_not_http_is_a_400(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch) as (_, connect):
        status, problem = await answer(connect, b"\x16\x03\x01 hello\r\n\r\n")
        assert isinstance(problem, dict)
        assert (status, problem["title"]) == (400, "Bad request")


async def test_more_connections_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch, max_connections=2) as (server, connect):
        connections = [await connect() for _ in range(3)]
        refused = await connections[2][0].read()
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"LEADVIBE_MAX_CONNECTIONS" in refused
        for _, writer in connections:
            writer.close()
            await writer.wait_closed()
        await until(lambda: not server.server_state.connections)
        assert await answer(connect, request(body=b"1")) == (200, 1)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\n", request(body=b"12345")[:-1]],
    ids=["nothing", "a part of a line", "some headers", "a part of the body"],
)
async def test_a_client_that_stops_sending_is_disconnected(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    async with serving(monkeypatch, **TIMEOUTS) as (server, connect):
        reader, writer = await connect()
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()
        await until(lambda: not server.server_state.connections)


async def test_a_client_that_stops_reading_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch, response_timeout=SHORT) as (server, connect):
        _, writer = await connect()
        writer.write(request(path="/large"))
        await until(lambda: server.server_state.connections)
        await until(lambda: not server.server_state.connections)
        writer.close()


async def test_a_client_that_reads_gets_the_whole_response(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(monkeypatch, response_timeout=timedelta(seconds=5)) as (_, connect):
        reader, writer = await connect()
        writer.write(request(path="/large"))
        await reader.readuntil(b"\r\n\r\n")
        assert len(await reader.readexactly(2**26)) == 2**26
        writer.close()
