"""Asks the database a question within a time limit, whatever the database and the connection pool do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import asyncpg

from leadvibe.core.database.transactions import SERVER_SETTINGS, asyncpg_dsn, database

T = TypeVar("T")

GIVE_UP_SECONDS: Final = 5.0
"""After this time without an answer the connection is terminated; the next question opens another."""


class Probe(Generic[T]):
    """A question on a connection of its own, outside the pool. Callers that come while it is asked share the answer."""

    def __init__(self, question: Callable[[asyncpg.Connection], Awaitable[T]]) -> None:
        self._question = question
        self._connection: asyncpg.Connection | None = None
        self._asking: asyncio.Task[T] | None = None

    async def answer(self, within_seconds: float) -> T:
        """Raises TimeoutError if there is no answer in time, and the error of the connection if there is one."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        asking = self._asking
        # Not cancelled when the time is over: asyncpg would wait for the server to confirm that.
        await asyncio.wait({asking}, timeout=within_seconds)
        if not asking.done():
            asking.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody else may ask
            raise TimeoutError
        return asking.result()

    async def _ask(self) -> T:
        if self._connection is None or self._connection.is_closed():
            own = database()
            own.open_connections.check()
            self._connection = await asyncpg.connect(
                asyncpg_dsn(own.url), server_settings=SERVER_SETTINGS, timeout=GIVE_UP_SECONDS
            )
            own.open_connections.add(self._connection)
        connection = self._connection
        timer = asyncio.get_running_loop().call_later(GIVE_UP_SECONDS, connection.terminate)
        try:
            return await self._question(connection)
        except BaseException:
            connection.terminate()
            raise
        finally:
            timer.cancel()
