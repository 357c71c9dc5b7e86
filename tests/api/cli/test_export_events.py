"""`leadvibe export FILE|-` exports events over HTTP."""

import asyncio
import csv
import io
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from leadvibe.server import address
from support.callers import Caller
from support.make import Make
from support.world import World

Drain = Callable[[], Awaitable[None]]


@asynccontextmanager
async def listening(app: Any) -> AsyncGenerator[str]:
    """The application on its own port."""
    socket = address.listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[socket]))
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def url(app: Any) -> AsyncGenerator[str]:
    async with listening(app) as where:
        yield where


@pytest.fixture
def key(world: World) -> str:
    return f"{world.credential.client_id}:{world.credential.client_secret}"


async def run(*arguments: str | Path, **settings: str) -> tuple[int, str, str]:
    """The exit code, standard output and standard error."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("LEADVIBE_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "leadvibe", "export", *arguments),
        env={**surroundings, "LEADVIBE_DATA_DIR": "/nowhere", **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await process.communicate()
    return process.returncode or 0, out.decode(), " ".join(said.decode().split())


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
async def three(make: Make, drain: Drain) -> None:
    await make.events(
        {"lead_id": "ada"},
        {"lead_id": "bob"},
        {"lead_id": "ada", "event_type": "signup", "timestamp": "2025-01-01T00:00:00Z"},
    )
    await drain()


@pytest.mark.usefixtures("three")
async def test_a_file_holds_what_the_server_sends(client: Caller, url: str, key: str, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("what was there before")
    code, out, said = await run(file, "--url", url, "--key", key)
    assert (code, out) == (0, ""), said
    assert file.read_text() == (await client.get("/events/export")).text
    assert names(tmp_path) == ["events.csv"]
    assert "3/3" in said


@pytest.mark.usefixtures("three")
async def test_a_dash_means_standard_output(client: Caller, url: str, key: str) -> None:
    code, out, said = await run("-", LEADVIBE_URL=url, LEADVIBE_KEY=key)
    assert (code, out) == (0, (await client.get("/events/export")).text), said
    assert "exporting" in said


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--lead-id", "ada"), 2),
        (("--event-type", "signup"), 1),
        (("--range", "last_7d"), 2),
        (("--range", "last_7d", "--lead-id", "ada"), 1),
    ],
)
async def test_filters_limit_the_export(url: str, key: str, options: tuple[str, ...], expected: int) -> None:
    code, out, said = await run("-", *options, LEADVIBE_URL=url, LEADVIBE_KEY=key)
    assert (code, len(out.splitlines()) - 1) == (0, expected), said
    assert f"{expected}/{expected}" in said


@pytest.mark.parametrize("options", [(), ("--raw",)])
async def test_a_formula_has_an_apostrophe_unless_the_export_is_raw(
    make: Make, drain: Drain, url: str, key: str, options: tuple[str, ...]
) -> None:
    await make.event("+SUM(A1)", "=1+1")
    await drain()
    code, out, said = await run("-", *options, LEADVIBE_URL=url, LEADVIBE_KEY=key)
    assert code == 0, said
    [row] = csv.DictReader(io.StringIO(out))
    assert (row["lead_id"], row["event_type"]) == (("=1+1", "+SUM(A1)") if options else ("'=1+1", "'+SUM(A1)"))


async def test_a_refused_request_is_reported_and_leaves_the_file_unchanged(url: str, key: str, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("what was there before")
    code, _, said = await run(file, "--url", url, "--key", "lv_ci_nobody:secret")
    assert (code, "client secret is wrong" in said, "Traceback" in said) == (1, True, False), said
    assert file.read_text() == "what was there before"
    assert names(tmp_path) == ["events.csv"]


async def test_an_interrupted_response_leaves_no_file(key: str, tmp_path: Path) -> None:
    async def closes_early(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"x-total-count", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/events/export":
            await send({"type": "http.response.body", "body": b"id,lead_id\nev_1,ada\n", "more_body": True})
            raise ConnectionError
        await send({"type": "http.response.body", "body": b"[]"})

    async with listening(closes_early) as url:
        code, _, said = await run(tmp_path / "events.csv", "--url", url, "--key", key)
    assert (code, "closed the connection" in said, "Traceback" in said) == (1, True, False), said
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--url", "http://127.0.0.1:1", "--key", "a:b"), "can't be reached"),
        (("--url", "nonsense", "--key", "a:b"), "nonsense"),
        (("--url", "http://127.0.0.1:1"), "pass --url and --key"),
        ((), "pass --url and --key"),
    ],
)
async def test_an_unreachable_server_is_reported(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    code, _, said = await run(tmp_path / "events.csv", *arguments)
    assert (code, told in said, "Traceback" in said) == (1, True, False), said
    assert names(tmp_path) == []


async def test_a_missing_folder_is_reported(url: str, key: str, tmp_path: Path) -> None:
    code, _, said = await run(tmp_path / "nowhere" / "events.csv", "--url", url, "--key", key)
    assert (code, "No such file or directory" in said, "Traceback" in said) == (1, True, False), said


@pytest.mark.usefixtures("three")
async def test_a_reader_that_closes_the_pipe_ends_it_without_a_traceback(url: str, key: str) -> None:
    shell = f"{sys.executable} -m leadvibe export - --url {url} | head -c 0"
    process = await asyncio.create_subprocess_shell(
        shell,
        env={**os.environ, "LEADVIBE_KEY": key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert (b"Traceback" in said, b"Exception ignored" in said) == (False, False), said
