"""Jobs that clients can track: each has a row with its status, progress and result."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import Problem
from leadvibe.core.ids import new_id
from leadvibe.core.jobs.models import Job
from leadvibe.core.jobs.queue import Registration, enqueue_as, register
from leadvibe.core.retries import retry_forever
from leadvibe.core.scope import Role, Scope, system_scope

M = TypeVar("M")

ENDED: Final = ("completed", "failed")
FAILED: Final = "The job failed repeatedly because of an internal error. See the server's log."
"""The `error` of a job that failed for an internal reason."""


CANCELLED: Final = "The job was cancelled."
"""The `error` of a job that a client cancelled."""
CANCEL_CHECK_SECONDS: Final = 1.0
"""How often a running job looks whether a client has cancelled it."""
MAX_PAUSE_SECONDS: Final = 10.0


class TrackedJob(msgspec.Struct, frozen=True):
    """The queued message: refers to the job's row, where alone the parameters are stored (they may name a person)."""

    org_id: str
    unit_id: str
    job_id: str

    @property
    def scope(self) -> Scope:
        return system_scope(self.org_id, self.unit_id)


class Progress:
    """A running job's row."""

    def __init__(self, scope: Scope, job_id: str, cursor: str | None, parameters: Any) -> None:
        self.scope = scope
        self.job_id = job_id
        self.cursor = cursor
        """Where an interrupted run of the job stopped."""
        self.parameters = parameters
        """The message as JSON-compatible values."""

    async def lock(self, session: AsyncSession) -> Job:
        """The job's row, locked: another run of the same job can't report until the transaction ends."""
        query = select(Job).where(Job.unit_id == self.scope.unit_id, Job.job_id == self.job_id)
        return (await session.scalars(query.with_for_update(key_share=True))).one()

    async def report(
        self, session: AsyncSession, *, done: int, total: int | None = None, cursor: str | None = None
    ) -> None:
        """Save the progress in the transaction that made it."""
        changes: dict[str, Any] = {"done": done, "cursor": cursor} | ({} if total is None else {"total": total})
        await session.execute(_change(self.scope, self.job_id, **changes))

    async def complete(self, session: AsyncSession, result: Any, *, done: int) -> None:
        """End the job in this transaction, unless it has ended. For results that must agree with what they are about.

        Otherwise the function of the job returns its result.
        """
        change = _end_of(self.scope, self.job_id, status="completed", result=result, error=None, done=done, total=done)
        await session.execute(change)


def tracked_job(
    message: type[M],
    *,
    kind: str,
    attempts: int = 10,
    pause: timedelta = timedelta(seconds=1),
    cancelling: Role | str = "A job of this kind can't be cancelled.",
) -> Callable[[Callable[[M, Progress], Awaitable[Any]]], Callable[[M, Progress], Awaitable[Any]]]:
    """Register the function that runs the jobs of a message class; its return value is the job's result.

    `cancelling` is the role that may cancel the jobs, or the reason why nobody may. A job that can be cancelled must be
    harmless between any two of its transactions.
    """

    def decorate(run: Callable[[M, Progress], Awaitable[Any]]) -> Callable[[M, Progress], Awaitable[Any]]:
        async def run_tracked(queued: TrackedJob) -> None:
            progress = await _begin(queued)
            if progress is None:
                return
            work = run(msgspec.convert(progress.parameters, message), progress)
            result = await (_run_unless_cancelled(queued, work) if isinstance(cancelling, Role) else work)
            await _end(queued, status="completed", result=result, error=None)

        _kinds[message] = kind
        _cancelling[kind] = cancelling
        register(message.__name__, Registration(TrackedJob, run_tracked, _give_up, attempts, pause))
        return run

    return decorate


_kinds: dict[type[Any], str] = {}
_cancelling: dict[str, Role | str] = {}


def cancelling_of(kind: str) -> Role | str:
    """The role that may cancel jobs of this kind, or the reason why nobody may."""
    return _cancelling.get(kind, "A job of this kind can't be cancelled.")


async def start_job(session: AsyncSession, scope: Scope, message: object) -> Job:
    """Run the message's job after this transaction commits; clients track it by the returned row."""
    row = Job(
        unit_id=scope.unit_id,
        job_id=new_id("job"),
        kind=_kinds[type(message)],
        parameters=msgspec.to_builtins(message),
    )
    session.add(row)
    await session.flush()
    await enqueue_as(session, type(message).__name__, TrackedJob(scope.org_id, scope.unit_id, row.job_id))
    return row


async def _begin(queued: TrackedJob) -> Progress | None:
    """None if there is nothing to do: the OU was deleted, or an earlier run ended the job."""
    async with transaction(queued.scope) as session:
        row = await session.scalar(
            select(Job)
            .where(Job.unit_id == queued.unit_id, Job.job_id == queued.job_id)
            .with_for_update(key_share=True)
        )
        if row is None or row.status in ENDED:
            return None
        row.status = "running"
        return Progress(queued.scope, queued.job_id, row.cursor, row.parameters)


async def _end(queued: TrackedJob, **changes: Any) -> None:
    """Save the end of the job and delete its parameters: a lead's id in them could outlive the lead."""
    async with transaction(queued.scope) as session:
        await session.execute(_end_of(queued.scope, queued.job_id, **changes))


def _end_of(scope: Scope, job_id: str, **changes: Any) -> Any:
    return _change(scope, job_id, parameters={}, cursor=None, **changes).where(Job.status.not_in(ENDED))


async def _run_unless_cancelled(queued: TrackedJob, work: Awaitable[Any]) -> Any:
    """The result of the work. If the job is ended by a client, the work is stopped and the result is None."""
    working, watching = asyncio.ensure_future(work), asyncio.create_task(_until_ended(queued))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _until_ended(queued: TrackedJob) -> None:
    async def has_ended() -> bool:
        async with transaction(queued.scope) as session:
            query = select(Job.status).where(Job.unit_id == queued.unit_id, Job.job_id == queued.job_id)
            return await session.scalar(query) in {None, *ENDED}

    while True:
        if await retry_forever(has_ended, "watching a job failed", max_pause_seconds=MAX_PAUSE_SECONDS):
            return
        await asyncio.sleep(CANCEL_CHECK_SECONDS)


async def _give_up(queued: TrackedJob, error: Exception) -> None:
    await _end(queued, status="failed", error=error.detail if isinstance(error, Problem) else FAILED)


def _change(scope: Scope, job_id: str, **changes: Any) -> Any:
    return update(Job).where(Job.unit_id == scope.unit_id, Job.job_id == job_id).values(**changes)
