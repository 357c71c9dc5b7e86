"""Listens for PostgreSQL notifications (NOTIFY) on one connection, and reconnects when it is lost."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from leadvibe.core.database.transactions import listening_connection
from leadvibe.core.retries import retry_forever

Listener = Callable[[str | None], None]
"""Called with a notification's payload; with None when notifications may have been missed."""

HEARTBEAT_SECONDS: Final = 30.0
"""How often to check that the connection still works: a listener sends nothing by itself."""
INITIAL_PAUSE_SECONDS: Final = 0.1
MAX_PAUSE_SECONDS: Final = 5.0


@asynccontextmanager
async def listening(listeners: Mapping[str, Listener]) -> AsyncGenerator[None]:
    """Call each channel's listener during the block."""
    task = asyncio.create_task(_listen(listeners))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _listen(listeners: Mapping[str, Listener]) -> None:
    while True:
        # Retried whatever the error: a process that stops listening misses every later notification.
        await retry_forever(
            partial(_listen_until_disconnected, listeners),
            "listening for notifications failed",
            initial_pause_seconds=INITIAL_PAUSE_SECONDS,
            max_pause_seconds=MAX_PAUSE_SECONDS,
        )
        await asyncio.sleep(INITIAL_PAUSE_SECONDS)


async def _listen_until_disconnected(listeners: Mapping[str, Listener]) -> None:
    async with listening_connection() as connection:
        disconnected = asyncio.Event()
        connection.add_termination_listener(lambda _: disconnected.set())
        for channel, listener in listeners.items():
            await connection.add_listener(channel, lambda _c, _p, _ch, payload, call=listener: call(str(payload)))
        for listener in listeners.values():
            listener(None)
        while not disconnected.is_set():
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await disconnected.wait()
            except TimeoutError:
                await connection.execute("SELECT 1", timeout=HEARTBEAT_SECONDS)
