"""Jobs that a client can watch: each has a row that says how far it is."""

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
FAILED: Final = "Something went wrong, several times; the server's log says what."
"""All that a client is told of an error that wasn't made for it."""


class Watched(msgspec.Struct, frozen=True):
    """Whose row it is: that one holds the message too, which may name somebody and stands nowhere else."""

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
        """Where an interrupted run of the job left off."""
        self.parameters = parameters
        """The message as JSON."""

    async def hold(self, session: AsyncSession) -> Job:
        """The row, locked: nobody else reports until the transaction ends, not even another run of the same job."""
        query = select(Job).where(Job.unit_id == self.scope.unit_id, Job.job_id == self.job_id)
        return (await session.scalars(query.with_for_update(key_share=True))).one()

    async def report(
        self, session: AsyncSession, *, done: int, total: int | None = None, cursor: str | None = None
    ) -> None:
        """Say how far it is, in the transaction that brought it there."""
        changes: dict[str, Any] = {"done": done, "cursor": cursor} | ({} if total is None else {"total": total})
        await session.execute(_change(self.scope, self.job_id, **changes))


def watched_job(
    message: type[M], *, kind: str, attempts: int = 10, pause: timedelta = timedelta(seconds=1)
) -> Callable[[Callable[[M, Progress], Awaitable[Any]]], Callable[[M, Progress], Awaitable[Any]]]:
    """Register what does the jobs of a message; what it returns is the job's result."""

    def decorate(run: Callable[[M, Progress], Awaitable[Any]]) -> Callable[[M, Progress], Awaitable[Any]]:
        async def run_watched(watched: Watched) -> None:
            progress = await _begin(watched)
            if progress is not None:
                result = await run(msgspec.convert(progress.parameters, message), progress)
                await _end(watched, status="completed", result=result, error=None)

        _kinds[message] = kind
        register(message.__name__, Registration(Watched, run_watched, _give_up, attempts, pause))
        return run

    return decorate


_kinds: dict[type[Any], str] = {}


async def start_job(session: AsyncSession, scope: Scope, message: object) -> Job:
    """Have it done after this transaction's commit, for the client to watch."""
    row = Job(
        unit_id=scope.unit_id,
        job_id=new_id("job"),
        kind=_kinds[type(message)],
        parameters=msgspec.to_builtins(message),
    )
    session.add(row)
    await session.flush()
    await enqueue_as(session, type(message).__name__, Watched(scope.org_id, scope.unit_id, row.job_id))
    return row


async def _begin(watched: Watched) -> Progress | None:
    """None where there is nothing to do: the OU is gone, or the job was done and only its end was not noted."""
    async with transaction(watched.scope) as session:
        row = await session.scalar(
            select(Job)
            .where(Job.unit_id == watched.unit_id, Job.job_id == watched.job_id)
            .with_for_update(key_share=True)
        )
        if row is None or row.status in ENDED:
            return None
        row.status = "running"
        return Progress(watched.scope, watched.job_id, row.cursor, row.parameters)


async def _end(watched: Watched, **changes: Any) -> None:
    """What it was about goes: that may be somebody's id, and a job is kept for longer than a lead perhaps."""
    async with transaction(watched.scope) as session:
        change = _change(watched.scope, watched.job_id, parameters={}, cursor=None, **changes)
        await session.execute(change.where(Job.status.not_in(ENDED)))


async def _give_up(watched: Watched, error: Exception) -> None:
    await _end(watched, status="failed", error=error.detail if isinstance(error, Problem) else FAILED)


def _change(scope: Scope, job_id: str, **changes: Any) -> Any:
    return update(Job).where(Job.unit_id == scope.unit_id, Job.job_id == job_id).values(**changes)
