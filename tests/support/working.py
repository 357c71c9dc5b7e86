"""A worker's jobs beside a test: for requests that wait for the job that they start."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from leadvibe.core.jobs.queue import run_jobs

PATIENCE = 30.0


@asynccontextmanager
async def jobs_at_work() -> AsyncGenerator[None]:
    """Jobs are done as they come, until the end of the block."""
    from leadvibe.server import tasks

    assert len(tasks.MODULES) > 0  # importing them registers the jobs
    stop = asyncio.Event()
    running = asyncio.create_task(run_jobs(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE):
            await running
