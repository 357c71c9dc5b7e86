"""Kills a worker in the middle of a rescore: another worker continues it."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from leadvibe.core.database.transactions import asyncpg_dsn
from support.callers import Caller
from support.ledger import differences
from support.make import Make
from support.postgres import SETTINGS, TestDatabase
from support.waiting import eventually

Drain = Callable[[], Awaitable[None]]

LEADS = 90


@asynccontextmanager
async def worker(database: TestDatabase) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A worker in its own process, killed at the end of the block if it still runs."""
    environment = {**os.environ, "LEADVIBE_DATABASE_URL": database.url}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "leadvibe", "worker", env=environment)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def lead_locked(database: TestDatabase, lead_id: str) -> AsyncGenerator[None]:
    """Hold the lock of a lead until the end of the block."""
    connection = await asyncpg.connect(asyncpg_dsn(database.url), server_settings=SETTINGS)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM leads WHERE lead_id = $1 FOR UPDATE", lead_id)
            yield
    finally:
        await connection.close()


async def test_a_rescore_whose_worker_is_killed_half_way_is_finished_by_another(
    client: Caller, make: Make, database: TestDatabase, drain: Drain
) -> None:
    rule = await make.rule("page_view", 5)
    await make.events(*({"lead_id": f"lead-{number:02}"} for number in range(LEADS) for _ in range(3)))
    await drain()
    await client.put(f"/rules/{rule['id']}", json={"weight": 7})
    job_id = (await client.post("/admin/rescore")).json()["job_id"]
    seen: list[tuple[int, int]] = []

    async def job() -> dict[str, Any]:
        found = (await client.get(f"/jobs/{job_id}")).json()
        seen.append((found["progress"]["done"], found["progress"]["total"]))
        return found

    async def is_under_way() -> bool:
        # Before it starts, its total is not known.
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return (await job())["progress"]["done"] > 0 and await database.fetchval(waits) > 0

    async def is_completed() -> bool:
        return (await job())["status"] == "completed"

    async with lead_locked(database, f"lead-{LEADS // 2}"), worker(database) as first:
        await eventually(is_under_way)
        first.kill()
        await first.wait()
    half_way = (await job())["progress"]["done"]
    assert 0 < half_way < LEADS
    killed_at = await database.fetchval("SELECT clock_timestamp()")
    # The queue considers a worker dead after half a minute without heartbeat.
    await database.execute("UPDATE pgqueuer SET heartbeat = heartbeat - interval '1 hour' WHERE status = 'picked'")
    async with worker(database):
        await eventually(is_completed)

    assert (await job())["result"] == {"leads": LEADS, "moved": LEADS}
    rest = await database.fetchval("SELECT count(*) FROM leads WHERE ledger_at > $1", killed_at)
    assert rest == LEADS - half_way, "leads are not rescored twice"
    done = [number for number, _ in seen]
    assert done == sorted(done)
    assert {total for number, total in seen if number} == {LEADS}
    assert set(await scores(database)) == {21}
    assert await database.fetchval("SELECT count(*) FROM score_entries WHERE superseded_at IS NULL") == 3 * LEADS
    assert await differences(database) == []


async def scores(database: TestDatabase) -> list[int]:
    return [row["score"] for row in await database.fetch("SELECT score FROM lead_scores")]
