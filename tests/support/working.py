"""Runs jobs during a test, for requests that wait for the job they start."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from leadvibe.core.jobs.queue import run_jobs

STOP_TIMEOUT_SECONDS = 30.0


@asynccontextmanager
async def jobs_at_work() -> AsyncGenerator[None]:
    """Run jobs until the end of the block."""
    from leadvibe.server import tasks

    assert len(tasks.MODULES) > 0  # importing them registers the jobs
    stop = asyncio.Event()
    running = asyncio.create_task(run_jobs(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
            await running
