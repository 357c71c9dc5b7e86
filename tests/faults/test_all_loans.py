"""Imports all 262,200 events of the loan applications by CLI and upload, also while processes are killed."""

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

TIMEOUT_SECONDS = 900.0
KILLED_PROCESSES = ("worker", "api", "postgres", "worker", "postgres")


@asynccontextmanager
async def server(data_dir: Path, *, workers: int) -> AsyncGenerator[tuple[Serving, httpx.AsyncClient]]:
    with Serving(data_dir, LEADVIBE_WORKER_PROCESSES=str(workers)).until_ready() as serving:
        first = serving.first_start()
        identity = (first["client_id"], first["client_secret"])
        async with httpx.AsyncClient(base_url=serving.url, auth=identity, timeout=TIMEOUT_SECONDS) as client:
            await Make(client).surge("off")
            await Make(client).rules(loans.WEIGHTS)
            yield serving, client


async def import_from_a_shell(serving: Serving, file: Path) -> int:
    command = [sys.executable, "-m", "leadvibe", "import", str(file)]
    environment = {"PATH": "", "LEADVIBE_DATA_DIR": str(serving.data_dir)}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return await process.wait()


def kill(serving: Serving, name: str) -> None:
    process = serving.child(name)
    assert process is not None, f"no {name} is running"
    process.kill()


async def verified_ledger(serving: Serving, rows: list[loans.Row]) -> str:
    """Wait until all events are processed and check every total. Returns the fingerprint of the ledger."""
    connection = await connect_to(serving)
    unit_id = serving.first_start()["unit_id"]
    try:
        await until_processed(connection, within=TIMEOUT_SECONDS)
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
        in_order = await verified_ledger(serving, rows)
    async with server(tmp_path / "in-no-order", workers=2) as (serving, client):
        upload = {"file": ("loans.csv", loans.as_csv(loans.shuffled(rows)), "text/csv")}
        answer = (await client.post("/import", files=upload)).json()
        assert (answer["imported"], answer["errors"]) == (len(rows), 0)
        assert await verified_ledger(serving, rows) == in_order


async def test_nothing_is_lost_when_every_process_is_killed_during_the_import(tmp_path: Path) -> None:
    rows = loans.rows()
    async with server(tmp_path / "data", workers=2) as (serving, _):
        importing = asyncio.create_task(_import_until_done(serving))
        for number, name in enumerate(KILLED_PROCESSES, start=1):
            await _until_processed_events(serving, len(rows) * number // (len(KILLED_PROCESSES) + 1))
            kill(serving, name)
        await importing
        await verified_ledger(serving, rows)


async def _import_until_done(serving: Serving) -> None:
    """Run the import again each time it is interrupted, as its message tells the user to."""

    async def is_done() -> bool:
        return await import_from_a_shell(serving, loans.FILE) == 0

    await eventually(is_done, within=TIMEOUT_SECONDS)


async def _until_processed_events(serving: Serving, number: int) -> None:
    async def has_processed() -> bool:
        connection = await connect_to(serving)
        try:
            return await connection.fetchval("SELECT count(*) FROM events") >= number
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        finally:
            await connection.close()

    await eventually(has_processed, within=TIMEOUT_SECONDS, every=0.5)
