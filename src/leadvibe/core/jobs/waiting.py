"""Waits a moment for a job that is usually done quickly."""

from datetime import timedelta
from typing import Final

from sqlalchemy import select
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_exponential

from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import NotFound
from leadvibe.core.jobs.models import Job
from leadvibe.core.scope import Scope

TIMEOUT: Final = timedelta(seconds=10)
INITIAL_PAUSE_SECONDS: Final = 0.02
MAX_PAUSE_SECONDS: Final = 0.5


async def wait_for_job(scope: Scope, job_id: str) -> Job:
    """Poll a committed job until it has ended or `TIMEOUT` has passed, and return it as it is then.

    No database connection is held between polls.
    """
    polling = AsyncRetrying(
        retry=retry_if_result(lambda job: job.status not in {"completed", "failed"}),
        wait=wait_exponential(INITIAL_PAUSE_SECONDS, MAX_PAUSE_SECONDS),
        stop=stop_after_delay(TIMEOUT),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )
    return await polling(_read, scope, job_id)


async def _read(scope: Scope, job_id: str) -> Job:
    async with transaction(scope) as session:
        job = await session.scalar(select(Job).where(Job.unit_id == scope.unit_id, Job.job_id == job_id))
    if job is None:
        raise NotFound("There is no job with this id in the active OU.")
    return job
