"""Background jobs: enqueued in a transaction, run at least once, and readable by clients."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from leadvibe.core.database.transactions import database as program
from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import Conflict
from leadvibe.core.jobs import progress as job_progress
from leadvibe.core.jobs import queue as jobs
from leadvibe.core.jobs.progress import Progress, start_job, tracked_job
from leadvibe.core.jobs.queue import drain_jobs, enqueue, job, run_jobs, schedule
from leadvibe.core.scope import Scope, system_scope
from support.callers import Caller
from support.postgres import TestDatabase


@dataclass(frozen=True)
class RingBell:
    tone: str
    times: int = 1


@pytest.fixture(autouse=True)
def no_other_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_registered", {})
    monkeypatch.setattr(jobs, "_scheduled", {})
    monkeypatch.setattr(job_progress, "_kinds", {})


@pytest.fixture
def rung() -> asyncio.Queue[str]:
    """The names of the jobs that ran."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    @job(RingBell)
    async def ring(message: RingBell) -> None:
        heard.put_nowait(message.tone)

    return heard


def all_of(heard: asyncio.Queue[str]) -> list[str]:
    return [heard.get_nowait() for _ in range(heard.qsize())]


@asynccontextmanager
async def worker() -> AsyncGenerator[None]:
    """Run a worker's jobs during the block, and stop them at its end."""
    stop = asyncio.Event()
    running = asyncio.create_task(run_jobs(stop))
    async with asyncio.timeout(30):
        yield
        stop.set()
        await running


def scope_of(caller: Caller) -> Scope:
    return system_scope(caller.org_id, caller.unit_id)


async def test_a_job_runs_after_the_commit(database: TestDatabase, rung: asyncio.Queue[str]) -> None:
    async with transaction(None) as session:
        await enqueue(session, RingBell("a"))
        await drain_jobs()
        assert rung.empty()
    await drain_jobs()
    assert all_of(rung) == ["a"]


async def test_a_job_of_a_failed_transaction_does_not_exist(database: TestDatabase, rung: asyncio.Queue[str]) -> None:
    async def fail() -> None:
        async with transaction(None) as session:
            await enqueue(session, RingBell("a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await drain_jobs()
    assert rung.empty()


async def test_waiting_jobs_with_the_same_key_run_once(database: TestDatabase, rung: asyncio.Queue[str]) -> None:
    for tone in ("a", "b"):
        async with transaction(None) as session:
            await enqueue(session, RingBell(tone), dedupe="bell")
            await enqueue(session, RingBell(tone), dedupe="other bell")
            await enqueue(session, RingBell(tone))
    await drain_jobs()
    assert sorted(all_of(rung)) == ["a", "a", "a", "b"]


async def test_a_running_job_does_not_replace_a_later_one_with_the_same_key(database: TestDatabase) -> None:
    heard: list[RingBell] = []

    @job(RingBell)
    async def ring(message: RingBell) -> None:
        heard.append(message)
        if len(heard) == 1:
            async with transaction(None) as session:
                await enqueue(session, RingBell("second"), dedupe="bell")

    async with transaction(None) as session:
        await enqueue(session, RingBell("first"), dedupe="bell")
    await drain_jobs()
    assert heard == [RingBell("first"), RingBell("second")]


async def test_a_failed_job_is_retried(database: TestDatabase) -> None:
    heard: list[RingBell] = []

    @job(RingBell, pause=timedelta(0))
    async def ring(message: RingBell) -> None:
        heard.append(message)
        if len(heard) < 3:
            raise ConnectionError("the rope is torn")

    async with transaction(None) as session:
        await enqueue(session, RingBell("a"))
    await drain_jobs()
    assert heard == [RingBell("a")] * 3
    assert await database.fetchval("SELECT count(*) FROM pgqueuer") == 0


async def test_a_job_that_fails_too_often_is_given_up(database: TestDatabase) -> None:
    heard: list[RingBell] = []

    @job(RingBell, attempts=3, pause=timedelta(0))
    async def ring(message: RingBell) -> None:
        heard.append(message)
        raise ConnectionError("the rope is torn")

    async with transaction(None) as session:
        await enqueue(session, RingBell("a"))
    await drain_jobs()
    assert heard == [RingBell("a")] * 3
    assert await database.fetchval("SELECT status::text FROM pgqueuer") == "failed"


async def test_pauses_between_attempts_double(database: TestDatabase) -> None:
    begun: asyncio.Queue[None] = asyncio.Queue()

    @job(RingBell, pause=timedelta(minutes=1))
    async def ring(message: RingBell) -> None:
        begun.put_nowait(None)
        raise ConnectionError("the rope is torn")

    async with transaction(None) as session:
        await enqueue(session, RingBell("a"))
    for minutes in (1, 2, 4, 8, 10):
        async with worker():
            await begun.get()
        pause = await database.fetchval("SELECT execute_after - updated FROM pgqueuer")
        assert timedelta(minutes=minutes - 1) < pause <= timedelta(minutes=minutes)
        await database.execute("UPDATE pgqueuer SET execute_after = now()")


async def test_a_job_interrupted_by_a_shutdown_waits_for_another_worker(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "GRACE_SECONDS", 0)
    begun = asyncio.Event()

    @job(RingBell)
    async def ring(message: RingBell) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with transaction(None) as session:
        await enqueue(session, RingBell("a"))
    async with worker():
        await begun.wait()
    assert await database.fetch("SELECT status::text FROM pgqueuer") == [{"status": "queued"}]


async def test_a_worker_continues_after_it_lost_its_connection(
    database: TestDatabase, rung: asyncio.Queue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "RECONNECT_SECONDS", 0)
    async with worker():
        async with transaction(None) as session:
            await enqueue(session, RingBell("a"))
        assert await rung.get() == "a"
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await program().engine.dispose()
        async with transaction(None) as session:
            await enqueue(session, RingBell("b"))
        assert await rung.get() == "b"


async def test_scheduled_jobs_run_when_they_are_due(database: TestDatabase) -> None:
    happened: asyncio.Queue[str] = asyncio.Queue()

    @schedule("0 0 1 1 *")
    async def celebrate() -> None:
        happened.put_nowait("new year")

    @job(RingBell)
    async def ring(message: RingBell) -> None:
        happened.put_nowait("bell")

    async with transaction(None) as session:
        await enqueue(session, RingBell("a"))
    async with worker():
        assert await happened.get() == "bell"
    await database.execute("UPDATE pgqueuer_schedules SET next_run = now()")
    async with worker():
        assert await happened.get() == "new year"


async def test_a_client_can_follow_the_progress_of_a_job(client: Caller) -> None:
    @tracked_job(RingBell, kind="bell")
    async def ring(message: RingBell, progress: Progress) -> dict[str, Any]:
        async with transaction(progress.scope) as session:
            await progress.report(session, done=1, total=2, cursor="half")
        shown = (await client.get(f"/jobs/{progress.job_id}")).json()
        assert (shown["status"], shown["progress"]) == ("running", {"done": 1, "total": 2})
        async with transaction(progress.scope) as session:
            await progress.report(session, done=2)
        return {"rung": message.times}

    async with transaction(scope_of(client)) as session:
        job_id = (await start_job(session, scope_of(client), RingBell("a", times=2))).job_id
    queued = (await client.get(f"/jobs/{job_id}")).json()
    assert queued == {
        "job_id": job_id,
        "kind": "bell",
        "status": "queued",
        "progress": {"done": 0, "total": None},
        "result": None,
        "error": None,
        "created_at": queued["created_at"],
        "updated_at": queued["updated_at"],
    }
    await drain_jobs()
    done = (await client.get(f"/jobs/{job_id}")).json()
    assert done == queued | {
        "status": "completed",
        "progress": {"done": 2, "total": 2},
        "result": {"rung": 2},
        "updated_at": done["updated_at"],
    }


async def test_an_interrupted_job_continues_where_it_stopped(client: Caller) -> None:
    cursors: list[str | None] = []

    @tracked_job(RingBell, kind="bell", pause=timedelta(0))
    async def ring(message: RingBell, progress: Progress) -> None:
        cursors.append(progress.cursor)
        async with transaction(progress.scope) as session:
            await progress.report(session, done=1, cursor="half")
        if len(cursors) == 1:
            raise ConnectionError("the rope is torn")

    async with transaction(scope_of(client)) as session:
        await start_job(session, scope_of(client), RingBell("a"))
    await drain_jobs()
    assert cursors == [None, "half"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Conflict("The tower is locked."), "The tower is locked."),
        (
            RuntimeError("password=hunter2"),
            "The job failed repeatedly because of an internal error. See the server's log.",
        ),
    ],
)
async def test_a_failed_job_shows_its_reason_and_no_details(client: Caller, error: Exception, told: str) -> None:
    @tracked_job(RingBell, kind="bell", attempts=2, pause=timedelta(0))
    async def ring(message: RingBell, progress: Progress) -> None:
        raise error

    async with transaction(scope_of(client)) as session:
        job_id = (await start_job(session, scope_of(client), RingBell("a"))).job_id
    await drain_jobs()
    shown = (await client.get(f"/jobs/{job_id}")).json()
    assert (shown["status"], shown["error"], shown["result"]) == ("failed", told, None)


async def test_a_job_is_visible_only_in_its_ou(
    client: Caller, viewer: Caller, neighbour: Caller, stranger: Caller
) -> None:
    @tracked_job(RingBell, kind="bell")
    async def ring(message: RingBell, progress: Progress) -> None: ...

    async with transaction(scope_of(client)) as session:
        job_id = (await start_job(session, scope_of(client), RingBell("a"))).job_id
    assert (await viewer.get(f"/jobs/{job_id}")).status_code == 200
    for other in (neighbour, stranger):
        assert (await other.get(f"/jobs/{job_id}")).status_code == 404
    assert (await client.get("/jobs/job_nowhere")).status_code == 404
