"""Background jobs: typed messages, enqueued in the transaction that causes them and run after it commits.

A job runs at least once: if a worker dies, another worker runs its job again, so jobs must be idempotent. A failed job
is retried after a pause that doubles each time. After too many failures it is marked as failed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

import asyncpg
import msgspec
import structlog
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job as QueuedJob
from pgqueuer.domain.models import Schedule
from pgqueuer.domain.types import QueueExecutionMode
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import listening_connection, raw, transaction
from leadvibe.core.http.problems import Problem
from leadvibe.core.logs import summary
from leadvibe.core.retries import is_cancelled, pause_after
from leadvibe.core.transient import is_transient

M = TypeVar("M")

MAX_PAUSE: Final = timedelta(minutes=10)
GRACE_SECONDS: Final = 5.0
"""How long a running job may continue when the worker stops; then it is cancelled and runs again later."""
RECONNECT_SECONDS: Final = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Registration:
    """How the jobs of one message class run."""

    message: type[Any]
    run: Callable[[Any], Awaitable[None]]
    give_up: Callable[[Any, Exception], Awaitable[None]] | None
    """Called with the error of the last attempt."""
    attempts: int
    pause: timedelta
    """Before the first retry."""


_registered: dict[str, Registration] = {}
_scheduled: dict[tuple[str, str], Callable[[], Awaitable[None]]] = {}


def register(name: str, registration: Registration) -> None:
    if name in _registered:
        raise ValueError(f"a job for {name} is already registered")
    _registered[name] = registration


def job(
    message: type[M], *, attempts: int = 10, pause: timedelta = timedelta(seconds=1)
) -> Callable[[Callable[[M], Awaitable[None]]], Callable[[M], Awaitable[None]]]:
    """Register the function that runs the jobs of a message class, named in the imperative (`DeliverWebhook`)."""

    def decorate(run: Callable[[M], Awaitable[None]]) -> Callable[[M], Awaitable[None]]:
        register(message.__name__, Registration(message, run, None, attempts, pause))
        return run

    return decorate


def schedule(cron: str) -> Callable[[Callable[[], Awaitable[None]]], Callable[[], Awaitable[None]]]:
    """Register a function that runs on a cron schedule (five fields), each time in one of the workers."""

    def decorate(run: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        _scheduled[run.__name__, cron] = run
        return run

    return decorate


_FIND_DUPLICATE = """
SELECT 1 FROM pgqueuer
WHERE entrypoint = $1 AND status = 'queued' AND headers->>'dedupe' = $2 AND execute_after <= statement_timestamp()
LIMIT 1 FOR SHARE
"""


async def enqueue(
    session: AsyncSession, message: object, *, dedupe: str | None = None, delay: timedelta | None = None
) -> None:
    """Run the message's job after this transaction commits.

    With `dedupe`, nothing is enqueued if a job of this class with the same key is already waiting.
    """
    await enqueue_as(session, type(message).__name__, message, dedupe=dedupe, delay=delay)


async def enqueue_as(
    session: AsyncSession, name: str, message: object, *, dedupe: str | None = None, delay: timedelta | None = None
) -> None:
    connection = await raw(session)
    # The row lock keeps a worker from picking the waiting job before we commit, so the job will see our changes. A job
    # that is already running may not see them. PgQueuer's deduplication counts running jobs too: it would lose work.
    if dedupe is not None and await connection.fetchval(_FIND_DUPLICATE, name, dedupe):
        return
    await Queries(AsyncpgDriver(connection)).enqueue(
        name,
        msgspec.json.encode(message),
        execute_after=delay,
        headers=None if dedupe is None else {"dedupe": dedupe},
    )


async def run_jobs(stop: asyncio.Event) -> None:
    """Run jobs and scheduled functions until `stop` is set."""
    while not stop.is_set():
        try:
            async with listening_connection() as connection:
                await _work(connection, stop)
        except Exception as error:
            if is_cancelled():
                raise
            if stop.is_set():
                return
            # The worker must reconnect whatever the error.
            log.warning("job queue connection failed", retry_in_seconds=RECONNECT_SECONDS, reason=summary(error))
        with suppress(TimeoutError):
            async with asyncio.timeout(RECONNECT_SECONDS):
                await stop.wait()


async def drain_jobs() -> None:
    """Run waiting jobs until none is left."""
    async with listening_connection() as connection:
        queue = _queue(connection, asyncio.Event())
        await queue.qm.run(mode=QueueExecutionMode.drain, log_aggregation_interval=timedelta(0))


async def _work(connection: asyncpg.Connection, stop: asyncio.Event) -> None:
    """Run jobs until `stop` is set or the connection is lost."""
    queue = _queue(connection, stop)
    connection.add_termination_listener(lambda _: queue.shutdown.set())
    for (name, cron), run in _scheduled.items():
        queue.schedule(name, cron, accepts_context=False)(_without_schedule(run))
    stopping = asyncio.create_task(stop.wait())
    stopping.add_done_callback(lambda _: queue.shutdown.set())
    try:
        await queue.run(log_aggregation_interval=timedelta(0))
    finally:
        stopping.cancel()


def _queue(connection: asyncpg.Connection, stop: asyncio.Event) -> PgQueuer:
    queue = PgQueuer.from_asyncpg_connection(connection)
    for name, registration in _registered.items():
        queue.entrypoint(name, accepts_context=False, on_failure="hold")(_attempt(registration, stop))
    return queue


def _without_schedule(run: Callable[[], Awaitable[None]]) -> Callable[[Schedule], Awaitable[None]]:
    async def run_scheduled(_schedule: Schedule) -> None:
        await run()

    return run_scheduled


def _attempt(registration: Registration, stop: asyncio.Event) -> Callable[[QueuedJob], Awaitable[None]]:
    async def attempt(queued: QueuedJob) -> None:
        message = msgspec.json.decode(queued.payload or b"", type=registration.message)
        try:
            await _run_until_stopped(registration.run(message), stop)
        except RetryRequested:
            raise
        except Exception as error:
            last = queued.attempts + 1 >= registration.attempts or (isinstance(error, Problem) and error.status < 500)
            # A worker that stops terminates its connections: that is no reason to give up.
            if not last or (stop.is_set() and is_transient(error)):
                pause = pause_after(queued.attempts + 1, registration.pause, MAX_PAUSE)
                log.warning("job failed", job=queued.entrypoint, retry_in_seconds=pause.total_seconds(), exc_info=error)
                raise RetryRequested(pause, type(error).__name__) from error
            if registration.give_up is not None:
                await registration.give_up(message, error)
            raise

    return attempt


async def _run_until_stopped(work: Awaitable[None], stop: asyncio.Event) -> None:
    """Finish the work; if `stop` is set, cancel it after `GRACE_SECONDS` so that it runs again in another worker."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await asyncio.wait({working}, timeout=GRACE_SECONDS)
        if working.done():
            working.result()
            return
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        raise RetryRequested(timedelta(0), "the worker stopped")
    finally:
        stopping.cancel()
        working.cancel()


@schedule("17 * * * *")
async def prune_job_log() -> None:
    """Delete the log of jobs after a day, and failed jobs after 30 days."""
    async with transaction(None) as session:
        await session.execute(text("DELETE FROM pgqueuer_log WHERE created < now() - interval '1 day'"))
        await session.execute(
            text("DELETE FROM pgqueuer WHERE status = 'failed' AND updated < now() - interval '30 days'")
        )
