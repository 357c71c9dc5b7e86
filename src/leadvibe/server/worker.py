"""The worker: empties the inbox, and runs the background jobs."""

import asyncio
import signal
from contextlib import suppress
from time import monotonic
from typing import Final

import structlog

from leadvibe.config import settings
from leadvibe.core.database.listening import listening
from leadvibe.core.database.transactions import opened_database
from leadvibe.core.jobs.queue import run_jobs
from leadvibe.core.transient import is_transient
from leadvibe.core.tuning import shorten_switch_interval, tune_garbage_collection
from leadvibe.ingest.inbox import INBOX_CHANNEL
from leadvibe.pipeline.consumer import consume_batch
from leadvibe.server import tasks

POLL_SECONDS: Final = 0.02
"""While there was work lately, flushes don't notify: look this often."""

BUSY_SECONDS: Final = 0.5
"""How long after the last event a worker still polls before it only listens."""

LISTEN_SECONDS: Final = 2.0
"""A notification may be lost with its connection: look at least this often."""

CONCURRENT_BATCHES: Final = 2
"""Batches at once in one worker: while the database works on one, Python works on the other."""

SHORTEST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 5.0
"""Seconds to wait when a failure has to pass first."""

log = structlog.get_logger()


async def consume_inbox(stop: asyncio.Event) -> None:
    """Process events until told to stop; a batch that was begun is finished."""
    arrived = asyncio.Event()
    async with listening({INBOX_CHANNEL: lambda _: arrived.set()}), asyncio.TaskGroup() as hands:
        hands.create_task(_wake(arrived, stop))
        for _ in range(CONCURRENT_BATCHES):
            hands.create_task(_empty(arrived, stop))


async def _wake(arrived: asyncio.Event, stop: asyncio.Event) -> None:
    await stop.wait()
    arrived.set()


async def _empty(arrived: asyncio.Event, stop: asyncio.Event) -> None:
    worked_at, pause = monotonic(), SHORTEST_PAUSE
    while not stop.is_set():
        # Before looking: what arrives from here on is seen, or wakes somebody who looks again.
        arrived.clear()
        try:
            taken = await consume_batch()
        except Exception as error:
            if is_transient(error):
                log.warning("worker pauses", seconds=pause, reason=f"{type(error).__name__}: {error}")
            else:
                log.exception("worker pauses", seconds=pause)
            await _rest(arrived, pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            continue
        pause = SHORTEST_PAUSE
        if taken:
            worked_at = monotonic()
        else:
            await _rest(arrived, POLL_SECONDS if monotonic() - worked_at < BUSY_SECONDS else LISTEN_SECONDS)


async def _rest(arrived: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(arrived.wait(), seconds)


async def drain() -> None:
    """Process what waits, until nothing does."""
    while await consume_batch():
        pass


async def run() -> None:
    """Work until SIGTERM or SIGINT."""
    tune_garbage_collection()
    shorten_switch_interval()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with opened_database(settings().database_url, pool_size=settings().database_pool_size):
        log.info("worker started", jobs=[module.__name__ for module in tasks.MODULES])
        async with asyncio.TaskGroup() as group:
            group.create_task(consume_inbox(stop))
            group.create_task(run_jobs(stop))
    log.info("worker stopped")
