"""The PostgreSQL server of the suite, with a template database and a clone of it for each test."""

import asyncio
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any
from zlib import crc32

import asyncpg
from sqlalchemy.engine import make_url

from leadvibe.core.database.transactions import asyncpg_dsn
from leadvibe.core.postgres import embedded

SERVER_VARIABLE = "LEADVIBE_TEST_DATABASE_URL"
"""The URL of a server to use instead of an embedded one. Its role needs to be allowed to create databases."""

FOLDER_PREFIX = "leadvibe-tests-"
DATABASE_PREFIX = "lvtest_"
MEMORY = Path("/dev/shm")
MIN_FREE_BYTES = 8 * 2**30
"""The tests with all the real input need more than half of this."""

SETTINGS = {"application_name": "leadvibe-tests", "timezone": "UTC"}


class EmbeddedServer:
    """A temporary PostgreSQL for one run of the suite, shared by all its processes."""

    def __init__(self) -> None:
        _sweep_folders()
        self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=_parent_folder()))
        self._server = embedded.start(self._folder, embedded.DISPOSABLE)
        self.url = self._server.url

    def stop(self) -> None:
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)  # another run may be sweeping it away already


def _parent_folder() -> Path:
    """In memory if there is room: a clone is a thousand files, and creating them on a disk is slow."""
    has_room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MIN_FREE_BYTES
    return MEMORY if has_room else Path(tempfile.gettempdir())


def _sweep_folders() -> None:
    """Remove the data directories of killed runs: those that no process holds a lock on."""
    for folder in chain.from_iterable(
        place.glob(f"{FOLDER_PREFIX}*") for place in (MEMORY, Path(tempfile.gettempdir()))
    ):
        with suppress(OSError, embedded.CommandError):
            if time.time() - folder.stat().st_mtime > 60:
                os.close(embedded.lock(folder))
                shutil.rmtree(folder)


class Postgres:
    """A connection to the server with its own event loop in a thread, independent of the loops of tests."""

    def __init__(self, url: str, run: str) -> None:
        self.url = url
        self._prefix = f"{DATABASE_PREFIX}{run}_"
        self._run_id = crc32(self._prefix.encode())
        self._cloned = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._connection: asyncpg.Connection = self._wait(asyncpg.connect(asyncpg_dsn(url), server_settings=SETTINGS))
        self._do("SELECT pg_advisory_lock_shared($1)", self._run_id)
        # file_copy is faster, but a server with fsync waits for two checkpoints.
        self._strategy = "wal_log" if self._ask("SHOW fsync") == "on" else "file_copy"
        self._sweep_databases()

    def close(self) -> None:
        """Close the connection. The last process of a run also drops the template."""
        self._do("SELECT pg_advisory_unlock_shared($1)", self._run_id)
        self._sweep_databases()
        self._wait(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def database_url(self, name: str) -> str:
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def template(self, make: Callable[[str], Coroutine[Any, Any, dict[str, Any]]]) -> tuple[str, dict[str, Any]]:
        """The template's name, and the description that `make` returned. The first process of a run creates it."""
        name = f"{self._prefix}template"
        self._do("SELECT pg_advisory_lock($1)", self._run_id + 2**32)
        try:
            description = self._ask(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1 AND datallowconn",
                name,
            )
            if description is None:
                self._do(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                self._do(f'CREATE DATABASE "{name}"')
                description = json.dumps(asyncio.run(make(self.database_url(name))))
                quoted = description.replace("'", "''")
                self._do(f"COMMENT ON DATABASE \"{name}\" IS '{quoted}'")
        finally:
            self._do("SELECT pg_advisory_unlock($1)", self._run_id + 2**32)
        return name, json.loads(description)

    def clone(self, template: str) -> str:
        self._cloned += 1
        name = f"{self._prefix}{os.getpid()}_{self._cloned}"
        self._do(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY {self._strategy}')
        return name

    def drop(self, name: str) -> None:
        self._do(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _sweep_databases(self) -> None:
        """Drop the databases of runs that have ended: each process of a run holds a shared lock on the run's id."""
        rows = self._wait(
            self._connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", DATABASE_PREFIX)
        )
        for name in (row["datname"] for row in rows):
            run = crc32(f"{DATABASE_PREFIX}{name.removeprefix(DATABASE_PREFIX).split('_')[0]}_".encode())
            if self._ask("SELECT pg_try_advisory_lock($1)", run):
                with suppress(asyncpg.InsufficientPrivilegeError):
                    self.drop(name)
                self._do("SELECT pg_advisory_unlock($1)", run)

    def _do(self, statement: str, *arguments: object) -> None:
        self._wait(self._connection.execute(statement, *arguments))

    def _ask(self, question: str, *arguments: object) -> Any:
        return self._wait(self._connection.fetchval(question, *arguments))

    def _wait(self, work: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await work

        future: Future[Any] = asyncio.run_coroutine_threadsafe(run(), self._loop)
        return future.result(timeout=120)


class TestDatabase:
    """The database of a test, with a connection of its own beside those of the application."""

    __test__ = False

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: asyncpg.Connection | None = None

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None:
            self._connection = await asyncpg.connect(asyncpg_dsn(self.url), server_settings=SETTINGS)
        return self._connection

    async def fetch(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await (await self._connected()).fetch(query, *arguments)]

    async def fetchrow(self, query: str, *arguments: object) -> dict[str, Any] | None:
        row = await (await self._connected()).fetchrow(query, *arguments)
        return None if row is None else dict(row)

    async def fetchval(self, query: str, *arguments: object) -> Any:
        return await (await self._connected()).fetchval(query, *arguments)

    async def execute(self, query: str, *arguments: object) -> str:
        return await (await self._connected()).execute(query, *arguments)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
