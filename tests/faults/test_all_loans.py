"""All 262,200 events of the loan applications, the ways a user would bring them in, and under fire."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from support import loans
from support.ledger import differences, fingerprint, stored_totals
from support.make import Make
from support.outside import connect_to, until_processed
from support.serving import Serving
from support.waiting import eventually

pytestmark = [pytest.mark.full, loans.needed, pytest.mark.xdist_group("all loans")]

A_LONG_WHILE = 900.0
VICTIMS = ("worker", "api", "postgres", "worker", "postgres")


@asynccontextmanager
async def server(data_dir: Path, *, workers: int) -> AsyncGenerator[tuple[Serving, httpx.AsyncClient]]:
    with Serving(data_dir, LEADVIBE_WORKER_PROCESSES=str(workers)).until_ready() as serving:
        first = serving.first_start()
        identity = (first["client_id"], first["client_secret"])
        async with httpx.AsyncClient(base_url=serving.url, auth=identity, timeout=A_LONG_WHILE) as client:
            await Make(client).surge("off")
            await Make(client).rules(loans.WEIGHTS)
            yield serving, client


async def import_from_a_shell(serving: Serving, file: Path) -> int:
    command = [sys.executable, "-m", "leadvibe", "import", str(file)]
    surroundings = {"PATH": "", "LEADVIBE_DATA_DIR": str(serving.data_dir)}
    process = await asyncio.create_subprocess_exec(
        *command, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return await process.wait()


def kill(serving: Serving, name: str) -> None:
    process = serving.child(name)
    assert process is not None, f"no {name} is running"
    process.kill()


async def proven(serving: Serving, rows: list[loans.Row]) -> str:
    """Check every total once all is processed; the fingerprint of the ledger."""
    connection = await connect_to(serving)
    unit_id = serving.first_start()["unit_id"]
    try:
        await until_processed(connection, within=A_LONG_WHILE)
        assert await connection.fetchval("SELECT count(*) FROM events") == len(rows)
        assert await connection.fetchval("SELECT count(*) FROM failed_events") == 0
        assert await differences(connection) == []
        assert await stored_totals(connection, unit_id) == loans.totals(rows)
        return await fingerprint(connection, unit_id)
    finally:
        await connection.close()


async def test_an_import_from_a_shell_and_a_shuffled_upload_give_the_same_ledger(tmp_path: Path) -> None:
    rows = loans.rows()
    async with server(tmp_path / "in-order", workers=1) as (serving, _):
        assert await import_from_a_shell(serving, loans.FILE) == 0
        in_order = await proven(serving, rows)
    async with server(tmp_path / "in-no-order", workers=2) as (serving, client):
        upload = {"file": ("loans.csv", loans.as_csv(loans.shuffled(rows)), "text/csv")}
        answer = (await client.post("/import", files=upload)).json()
        assert (answer["imported"], answer["errors"]) == (len(rows), 0)
        assert await proven(serving, rows) == in_order


async def test_nothing_is_lost_when_every_process_is_killed_during_the_import(tmp_path: Path) -> None:
    rows = loans.rows()
    async with server(tmp_path / "data", workers=2) as (serving, _):
        importing = asyncio.create_task(_import_until_done(serving))
        for number, victim in enumerate(VICTIMS, start=1):
            await _until_processed_events(serving, len(rows) * number // (len(VICTIMS) + 1))
            kill(serving, victim)
        await importing
        await proven(serving, rows)


async def _import_until_done(serving: Serving) -> None:
    """As its words say: when it breaks off, run it again."""

    async def is_done() -> bool:
        return await import_from_a_shell(serving, loans.FILE) == 0

    await eventually(is_done, within=A_LONG_WHILE)


async def _until_processed_events(serving: Serving, number: int) -> None:
    async def enough() -> bool:
        connection = await connect_to(serving)
        try:
            return await connection.fetchval("SELECT count(*) FROM events") >= number
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        finally:
            await connection.close()

    await eventually(enough, within=A_LONG_WHILE, every=0.5)
