"""The open connections of a process, so that all of them can be terminated when it must end."""

from typing import Any
from weakref import WeakSet

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine


class OpenConnections:
    def __init__(self) -> None:
        self._open: WeakSet[asyncpg.Connection] = WeakSet()
        self._terminated = False

    def watch(self, engine: AsyncEngine) -> None:
        """Include the connections of an engine's pool."""
        event.listen(engine.sync_engine, "do_connect", self._before_connecting)
        event.listen(engine.sync_engine, "connect", self._after_connecting)

    def add(self, connection: asyncpg.Connection) -> None:
        self._open.add(connection)
        if self._terminated:
            connection.terminate()

    def check(self) -> None:
        """Raise an error if no connection may be opened any more."""
        if self._terminated:
            raise ConnectionAbortedError("the process is ending")

    def terminate(self) -> None:
        """Close all connections without waiting for the server, and open no more. Statements under way fail."""
        self._terminated = True
        for connection in tuple(self._open):
            connection.terminate()

    def _before_connecting(self, *_: Any) -> None:
        self.check()

    def _after_connecting(self, adapted: Any, _record: Any) -> None:
        self.add(adapted.driver_connection)
