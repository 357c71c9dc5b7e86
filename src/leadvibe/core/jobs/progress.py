"""Jobs that clients can track: each has a row with its status, progress and result."""

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
from leadvibe.core.scope import Scope, system_scope

M = TypeVar("M")

ENDED: Final = ("completed", "failed")
FAILED: Final = "The job failed repeatedly because of an internal error. See the server's log."
"""The `error` of a job that failed for an internal reason."""


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


def tracked_job(
    message: type[M], *, kind: str, attempts: int = 10, pause: timedelta = timedelta(seconds=1)
) -> Callable[[Callable[[M, Progress], Awaitable[Any]]], Callable[[M, Progress], Awaitable[Any]]]:
    """Register the function that runs the jobs of a message class; its return value is the job's result."""

    def decorate(run: Callable[[M, Progress], Awaitable[Any]]) -> Callable[[M, Progress], Awaitable[Any]]:
        async def run_tracked(queued: TrackedJob) -> None:
            progress = await _begin(queued)
            if progress is not None:
                result = await run(msgspec.convert(progress.parameters, message), progress)
                await _end(queued, status="completed", result=result, error=None)

        _kinds[message] = kind
        register(message.__name__, Registration(TrackedJob, run_tracked, _give_up, attempts, pause))
        return run

    return decorate


_kinds: dict[type[Any], str] = {}


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
        change = _change(queued.scope, queued.job_id, parameters={}, cursor=None, **changes)
        await session.execute(change.where(Job.status.not_in(ENDED)))


async def _give_up(queued: TrackedJob, error: Exception) -> None:
    await _end(queued, status="failed", error=error.detail if isinstance(error, Problem) else FAILED)


def _change(scope: Scope, job_id: str, **changes: Any) -> Any:
    return update(Job).where(Job.unit_id == scope.unit_id, Job.job_id == job_id).values(**changes)
