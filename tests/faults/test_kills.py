"""Kills processes under load, one after the other: each acknowledged event counts once, and all totals are right."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from functools import partial
from pathlib import Path

import httpx
import pytest

from support import loans
from support.ledger import differences, stored_totals
from support.load import Load
from support.make import Make
from support.outside import connect_to, keys_by_state, until_processed
from support.serving import Serving
from support.waiting import eventually

LEADS = 250
KILLED_PROCESSES = ("worker", "api", "postgres")


@pytest.fixture
def serving(tmp_path: Path) -> Generator[Serving]:
    with Serving(tmp_path / "data", LEADVIBE_WORKER_PROCESSES="2") as started:
        yield started.until_ready()


@pytest.fixture
async def client(serving: Serving) -> AsyncGenerator[httpx.AsyncClient]:
    first = serving.first_start()
    async with httpx.AsyncClient(
        base_url=serving.url, auth=(first["client_id"], first["client_secret"]), timeout=30
    ) as own:
        yield own


def kill(serving: Serving, name: str) -> None:
    process = serving.child(name)
    assert process is not None, f"no {name} is running"
    process.kill()


async def check_nothing_is_missing(serving: Serving, load: Load) -> None:
    acknowledged = set(load.acknowledged)
    connection = await connect_to(serving)
    try:
        places = await keys_by_state(connection)
    finally:
        await connection.close()
    assert acknowledged <= {key for keys in places.values() for key in keys}
    assert len(places["processed"]) == len(set(places["processed"]))


async def test_acknowledged_events_count_exactly_once_whatever_process_is_killed(
    serving: Serving, client: httpx.AsyncClient
) -> None:
    rows = loans.rows(LEADS) if loans.FILE.exists() else loans.made_up(LEADS)
    await Make(client).surge("off")
    await Make(client).rules(loans.WEIGHTS)
    load = Load(rows)
    sending = asyncio.create_task(load.send(client))
    for number, name in enumerate(KILLED_PROCESSES, start=1):
        await eventually(partial(_reached, load, sending, number / (len(KILLED_PROCESSES) + 1)))
        kill(serving, name)
        await check_nothing_is_missing(serving, load)
    await sending
    connection = await connect_to(serving)
    try:
        await until_processed(connection)
        places = await keys_by_state(connection)
        assert sorted(places["processed"]) == sorted(load.acknowledged)
        assert places["failed"] == []
        assert await differences(connection) == []
        assert await stored_totals(connection, serving.first_start()["unit_id"]) == loans.totals(rows)
    finally:
        await connection.close()


async def _reached(load: Load, sending: asyncio.Task[None], share: float) -> bool:
    if sending.done():
        sending.result()
    return load.share >= share
