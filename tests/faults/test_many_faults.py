"""Many faults under load, in an order that a seed decides: no acknowledged event is lost or counted twice.

`make faults` runs it with 200 faults; FAULTS and FAULTS_SEED choose other numbers.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from support import loans
from support.disks import can_mount, small_disk
from support.faults import Faults
from support.freezing import alive
from support.ledger import differences, stored_totals
from support.load import Load
from support.make import Make
from support.outside import connect_to, keys_by_state, until_processed
from support.serving import Serving
from support.waiting import eventually

pytestmark = pytest.mark.xdist_group("many faults")

NUMBER = int(os.environ.get("FAULTS", "200"))
SEED = int(os.environ.get("FAULTS_SEED", "1"))
FEW = 10
LEADS_PER_FAULT = 6
TIMEOUT_SECONDS = 600.0
SETTINGS = {
    "LEADVIBE_API_PROCESSES": "2",
    "LEADVIBE_WORKER_PROCESSES": "2",
    "LEADVIBE_WATCHDOG_TIMEOUT": "PT10S",
    "LEADVIBE_INGEST_FLUSH_TIMEOUT": "PT2S",
}


async def test_ten_faults_lose_nothing(tmp_path: Path) -> None:
    await check_that_faults_lose_nothing(tmp_path / "data", FEW, SEED)


@pytest.mark.full
async def test_many_faults_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", megabytes=1500)) if can_mount() else None
        numbers = await check_that_faults_lose_nothing((disk or tmp_path) / "data", NUMBER, SEED, disk)
    with capsys.disabled():
        print(f"\nseed {SEED}: {numbers}")  # noqa: T201 - the numbers of a run on demand


async def check_that_faults_lose_nothing(data_dir: Path, number: int, seed: int, disk: Path | None = None) -> str:
    """Returns the numbers of the run."""
    rows = loans.made_up(LEADS_PER_FAULT * number)
    with Serving(data_dir, **SETTINGS).until_ready() as serving:
        async with client_of(serving) as client:
            await Make(client).surge("off")
            await Make(client).rules(loans.WEIGHTS)
            load = Load(rows)
            faults = Faults(serving, load, seed, disk)
            sending = asyncio.create_task(load.send(client))
            for each in range(number):
                await eventually(partial(_reached, load, sending, (each + 0.5) / (number + 1)), within=TIMEOUT_SECONDS)
                await faults.cause_one()
            await sending
        counts = await check_ledger(serving, load, rows)
    assert alive(list(faults.processes)) == []
    return f"{sum(faults.done.values())} faults {dict(sorted(faults.done.items()))}, {counts}"


@asynccontextmanager
async def client_of(serving: Serving) -> AsyncGenerator[httpx.AsyncClient]:
    first = serving.first_start()
    identity = (first["client_id"], first["client_secret"])
    async with httpx.AsyncClient(base_url=serving.url, auth=identity, timeout=10) as client:
        yield client


async def check_ledger(serving: Serving, load: Load, rows: list[loans.Row]) -> str:
    connection = await connect_to(serving)
    try:
        await until_processed(connection, within=TIMEOUT_SECONDS)
        places = await keys_by_state(connection)
        assert sorted(places["processed"] + places["waiting"] + places["failed"]) == sorted(load.acknowledged)
        assert (places["waiting"], places["failed"]) == ([], [])
        assert await differences(connection) == []
        assert await stored_totals(connection, serving.first_start()["unit_id"]) == loans.totals(rows)
        return (
            f"{len(load.acknowledged)} acknowledged = {len(places['processed'])} processed, in {load.attempts} requests"
        )
    finally:
        await connection.close()


async def _reached(load: Load, sending: asyncio.Task[None], share: float) -> bool:
    if sending.done():
        sending.result()
    return load.share >= share
