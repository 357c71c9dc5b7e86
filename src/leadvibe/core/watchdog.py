"""Shows that a process is alive: its event loop sets a heartbeat, which the supervisor and `/metrics` read."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

import structlog

from leadvibe.core.metrics import EVENT_LOOP_LAG, PROCESS_HEARTBEAT

BEAT_SECONDS: Final = 0.5
LONG_LAG_SECONDS: Final = 1.0
"""From this lag on, it is logged: requests and batches waited as long."""

log = structlog.get_logger()


@asynccontextmanager
async def heartbeat() -> AsyncGenerator[None]:
    """Set this process's heartbeat during the block."""
    task = asyncio.create_task(_beat())
    try:
        yield
    finally:
        task.cancel()


async def _beat() -> None:
    while True:
        PROCESS_HEARTBEAT.set_to_current_time()
        due = monotonic() + BEAT_SECONDS
        await asyncio.sleep(BEAT_SECONDS)
        lag = max(0.0, monotonic() - due)
        EVENT_LOOP_LAG.set(lag)
        if lag > LONG_LAG_SECONDS:
            log.warning("event loop was blocked", seconds=round(lag, 3))
