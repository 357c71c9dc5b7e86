"""Faults of a running server, in an order that a seed decides."""

import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import psutil

from support.freezing import frozen, postmaster_of
from support.load import Load
from support.outside import connect_to
from support.serving import Serving
from support.waiting import eventually

FROZEN_SECONDS = 4.0
"""How long a fault lasts at most, if the load doesn't notice it."""

TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'leadvibe' AND pid <> pg_backend_pid() AND (NOT $1::bool OR pid % 2 = $2::int)
"""


class Faults:
    def __init__(self, serving: Serving, load: Load, seed: int, disk: Path | None = None) -> None:
        self.serving = serving
        self.load = load
        self.done: Counter[str] = Counter()
        self.processes: set[psutil.Process] = set()
        """Every process that was seen."""
        self._chance = random.Random(seed)
        self._disk = disk
        self._kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "kill a worker": lambda: self._kill("worker"),
            "kill an API": lambda: self._kill("api"),
            "kill PostgreSQL": lambda: self._kill("bin/postgres"),
            "freeze a worker": lambda: self._freeze("worker"),
            "freeze an API": lambda: self._freeze("api"),
            "freeze PostgreSQL": self._freeze_postgres,
            "cut all connections": lambda: self._cut(some=False),
            "cut some connections": lambda: self._cut(some=True),
            "stop the server": lambda: self._restart(signal.SIGTERM),
            "kill the server": lambda: self._restart(signal.SIGKILL),
        }
        if disk is not None:
            self._kinds["fill the disk"] = self._fill_disk
        self._waiting: list[str] = []

    async def cause_one(self) -> None:
        """Each kind comes once before any comes again."""
        if not self._waiting:
            self._waiting = self._chance.sample(sorted(self._kinds), len(self._kinds))
        name = self._waiting.pop()
        self.processes |= {self.serving.process, *self.serving.update_children()}
        await self._kinds[name]()
        self.processes |= {self.serving.process, *self.serving.update_children()}
        self.done[name] += 1

    async def _child(self, name: str) -> psutil.Process:
        async def running() -> list[psutil.Process]:
            return self.serving.named_children(name)

        return self._chance.choice(await eventually(running))

    async def _kill(self, name: str) -> None:
        (await self._child(name)).kill()

    async def _freeze(self, name: str) -> None:
        with frozen(await self._child(name)):
            await self._until_noticed()

    async def _freeze_postgres(self) -> None:
        await self._child("bin/postgres")
        await self._until_running()
        with frozen(postmaster_of(self.serving.data_dir)):
            await eventually(self._is_unready)

    async def _cut(self, *, some: bool) -> None:
        connection = await connect_to(self.serving)
        try:
            await connection.execute(TERMINATE, some, self._chance.randrange(2))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return  # an earlier fault had the same effect
        finally:
            connection.terminate()

    async def _restart(self, number: signal.Signals) -> None:
        self.serving.restart(number)

    async def _fill_disk(self) -> None:
        assert self._disk is not None
        filler = self._disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(2**20)):  # until the disk is full
                pass
        try:
            await eventually(self._is_unready)
            await self._until_noticed()
        finally:
            filler.unlink()

    async def _until_noticed(self) -> None:
        """Wait until some more requests were answered or have failed."""
        before = self.load.attempts

        async def noticed() -> bool:
            return self.load.attempts >= before + 3 or self.load.share == 1

        with suppress(AssertionError):  # all of them wait for what is frozen
            await eventually(noticed, within=FROZEN_SECONDS)

    async def _until_running(self) -> None:
        (await connect_to(self.serving)).terminate()

    async def _is_unready(self) -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{self.serving.url}/readyz", timeout=5)).status_code == 503
            except httpx.TransportError:
                return False
