"""Hears what other processes tell through PostgreSQL (NOTIFY), on one connection that is made again when it is lost."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import structlog

from leadvibe.core.database.transactions import listening_connection
from leadvibe.core.logs import summary

Listener = Callable[[str | None], None]
"""Called with a notification's payload; with None when any number of them may have been missed."""

HEARTBEAT: Final = 30.0
"""Seconds between proofs that the connection still leads somewhere: a listener sends nothing by itself."""
LONGEST_PAUSE: Final = 5.0

log = structlog.get_logger()


@asynccontextmanager
async def listening(ears: Mapping[str, Listener]) -> AsyncGenerator[None]:
    """Listen on each channel during the block."""
    task = asyncio.create_task(_hear(ears))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _hear(ears: Mapping[str, Listener]) -> None:
    pause = 0.1
    while True:
        try:
            await _listen(ears)
            pause = 0.1  # it listened for a while
        except Exception as error:  # noqa: BLE001 - whatever it was: who doesn't listen is deaf for good
            log.warning("not listening", reason=summary(error), seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


async def _listen(ears: Mapping[str, Listener]) -> None:
    """Listen until the connection is lost."""
    async with listening_connection() as connection:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        for channel, ear in ears.items():
            await connection.add_listener(channel, lambda _c, _p, _channel, payload, ear=ear: ear(str(payload)))
        for ear in ears.values():
            ear(None)
        while not lost.is_set():
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await lost.wait()
            except TimeoutError:
                await connection.execute("SELECT 1", timeout=HEARTBEAT)
