"""The worker process: scores the events in the inbox and runs background jobs."""

import asyncio
import signal
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final

import structlog

from leadvibe.config import settings
from leadvibe.core import shutdown
from leadvibe.core.database.listening import listening
from leadvibe.core.database.transactions import opened_database
from leadvibe.core.interpreter_tuning import shorten_switch_interval, tune_garbage_collection
from leadvibe.core.jobs.queue import run_jobs
from leadvibe.core.metrics import LAST_POLL
from leadvibe.core.retries import retry_forever
from leadvibe.core.watchdog import heartbeat
from leadvibe.ingest.inbox import INBOX_CHANNEL
from leadvibe.pipeline.consumer import consume_batch
from leadvibe.server import tasks

BUSY_POLL_SECONDS: Final = 0.02
"""The polling interval while events keep coming: the API doesn't notify then."""

BUSY_SECONDS: Final = 0.5
"""How long after the last event a worker still polls at that interval."""

IDLE_POLL_SECONDS: Final = 2.0
"""The polling interval of an idle worker, in case a notification was lost with its connection."""

CONCURRENT_BATCHES: Final = 2
"""Batches at once in one worker: Python works on one while the database works on the other."""

INITIAL_PAUSE_SECONDS: Final = 0.05
MAX_PAUSE_SECONDS: Final = 5.0
"""Pauses after a failed batch."""

log = structlog.get_logger()


async def consume_inbox(stop: asyncio.Event) -> None:
    """Process events until `stop` is set; a batch that has begun is finished."""
    arrived = asyncio.Event()
    async with listening({INBOX_CHANNEL: lambda _: arrived.set()}), asyncio.TaskGroup() as group:
        group.create_task(_wake_on_stop(arrived, stop))
        for _ in range(CONCURRENT_BATCHES):
            group.create_task(_consume_batches(arrived, stop))


async def _wake_on_stop(arrived: asyncio.Event, stop: asyncio.Event) -> None:
    await stop.wait()
    arrived.set()


async def _consume_batches(arrived: asyncio.Event, stop: asyncio.Event) -> None:
    last_event_at = monotonic()

    async def consume() -> int:
        if stop.is_set():
            return 0
        # Cleared before reading the inbox: an event that arrives later is either read or sets it again.
        arrived.clear()
        processed = await consume_batch()
        LAST_POLL.set_to_current_time()
        return processed

    while not stop.is_set():
        processed = await retry_forever(
            consume,
            "processing a batch failed",
            initial_pause_seconds=INITIAL_PAUSE_SECONDS,
            max_pause_seconds=MAX_PAUSE_SECONDS,
            sleep=partial(_wait, arrived),
        )
        if processed:
            last_event_at = monotonic()
        else:
            busy = monotonic() - last_event_at < BUSY_SECONDS
            await _wait(arrived, BUSY_POLL_SECONDS if busy else IDLE_POLL_SECONDS)


async def _wait(event: asyncio.Event, timeout_seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            await event.wait()


async def drain() -> None:
    """Process events until the inbox is empty."""
    while await consume_batch():
        pass


async def run() -> None:
    """Run the worker until SIGTERM or SIGINT."""
    tune_garbage_collection()
    shorten_switch_interval()
    stop = asyncio.Event()
    async with opened_database(settings().database_url, pool_size=settings().database_pool_size) as own:
        working = asyncio.create_task(_work(stop))

        def hurry() -> None:
            log.warning("worker is still busy: its connections are terminated, and others redo its work")
            own.open_connections.terminate()
            working.cancel()

        def begin_to_stop() -> None:
            shutdown.start(settings().shutdown_timeout.total_seconds(), hurry)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, begin_to_stop)
        log.info("worker started", jobs=[module.__name__ for module in tasks.MODULES])
        await asyncio.wait({working})
        if not working.cancelled():
            working.result()
    log.info("worker stopped")


async def _work(stop: asyncio.Event) -> None:
    async with heartbeat(), asyncio.TaskGroup() as group:
        group.create_task(consume_inbox(stop))
        group.create_task(run_jobs(stop))
