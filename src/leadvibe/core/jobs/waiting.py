"""Jobs that are often done at once: whoever started one waits a moment for what comes of it."""

import asyncio
import time
from datetime import timedelta
from typing import Final

from sqlalchemy import select

from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.problems import NotFound
from leadvibe.core.jobs.models import Job
from leadvibe.core.scope import Scope

PATIENCE: Final = timedelta(seconds=10)
FIRST_LOOK_SECONDS: Final = 0.02
LONGEST_PAUSE_SECONDS: Final = 0.5


async def wait_for_job(scope: Scope, job_id: str) -> Job:
    """A committed job as it is when it has ended, or when patience has; no connection is held between looks."""
    deadline = time.monotonic() + PATIENCE.total_seconds()
    pause = FIRST_LOOK_SECONDS
    while True:
        job = await _look(scope, job_id)
        if job.status in {"completed", "failed"} or time.monotonic() >= deadline:
            return job
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def _look(scope: Scope, job_id: str) -> Job:
    async with transaction(scope) as session:
        job = await session.scalar(select(Job).where(Job.unit_id == scope.unit_id, Job.job_id == job_id))
    if job is None:
        raise NotFound
    return job
