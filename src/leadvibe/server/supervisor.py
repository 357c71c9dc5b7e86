"""Everything at one place: PostgreSQL, API and worker as children of one process, which starts again what dies."""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from typing import Annotated

import structlog
import typer

from leadvibe.config import settings
from leadvibe.core.child_processes import dies_with_parent
from leadvibe.core.command_error import CommandError
from leadvibe.core.logs import start_logging
from leadvibe.core.metrics import share_metrics
from leadvibe.core.postgres import embedded
from leadvibe.server import address, database
from leadvibe.server.first_start import FirstStart
from leadvibe.server.inspection import is_prepared
from leadvibe.server.welcome import welcome

PATIENCE = 20.0
"""Seconds that a child has to finish what it is doing when it is told to stop."""
LONGEST_PAUSE = 30.0
STEADY = 60.0
"""Seconds after which a child counts as healthy, and the pauses before it is started again as forgotten."""

log = structlog.get_logger()


def serve() -> None:
    """Run it all: PostgreSQL (unless LEADVIBE_DATABASE_URL names one), API and worker."""
    _supervise()


def demo(seed: Annotated[int, typer.Option(help="The same seed plays the same visitors.")] = 1) -> None:
    """Run it all, with a sample configuration and visitors who make scores move."""
    _supervise(visitors=seed)


def _supervise(*, visitors: int | None = None) -> None:
    start_logging(settings().log_level, as_json=settings().log_json)
    with contextlib.ExitStack() as house:
        listening = house.enter_context(address.listen(settings().host, settings().port))
        postgres = None
        if settings().embedded:
            postgres = embedded.start(settings().data_dir)
            house.callback(postgres.stop)
            database.use_database(postgres.url)
        share_metrics(settings().data_dir / "run" / f"metrics-{listening.getsockname()[1]}")
        asyncio.run(Supervisor(listening, postgres).run(visitors))


class Supervisor:
    def __init__(self, listening: socket.socket, postgres: embedded.Server | None) -> None:
        self._listening = listening
        self._postgres = postgres
        self._stopping = asyncio.Event()
        self._children: set[Process] = set()

    async def run(self, visitors: int | None) -> None:
        """Return when an order to stop came and every child has ended."""
        loop = asyncio.get_running_loop()
        for order in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(order, self._stop)
        url = address.public_url(settings(), self._listening)
        first = await self._prepare(url)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(settings().api_processes):
                tasks.create_task(self._keep("api", ["api", "--fd", str(self._listening.fileno())]))
            for _ in range(settings().worker_processes):
                tasks.create_task(self._keep("worker", ["worker"]))
            if visitors is not None:
                there = address.local_url(self._listening)
                tasks.create_task(self._keep("visitors", ["visitors", "--url", there, "--seed", str(visitors)]))
            if self._postgres is not None:
                tasks.create_task(self._keep_postgres(self._postgres))
            tasks.create_task(self._announce(welcome(settings(), url, first)))

    async def _prepare(self, url: str) -> FirstStart | None:
        if await is_prepared(settings().database_url or ""):
            return None
        from leadvibe.server.preparation import prepare  # noqa: PLC0415 - what it imports would slow every other start

        return await prepare(settings(), url)

    def _stop(self) -> None:
        """Let the children finish; asked a second time, don't."""
        if self._stopping.is_set():
            for child in self._children:
                child.kill()
        self._stopping.set()

    async def _keep(self, name: str, arguments: list[str]) -> None:
        pauses = Pauses()
        while not self._stopping.is_set():
            pauses.began()
            child = await self._spawn(arguments)
            self._children.add(child)
            try:
                await self._end_of(child)
            finally:
                self._children.discard(child)
                if child.returncode is None:
                    child.kill()
            if not self._stopping.is_set():
                pause = pauses.next()
                log.error("process_ended", process=name, status=child.returncode, starting_again_in=pause)
                await self._stopping_within(pause)

    async def _spawn(self, arguments: list[str]) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "leadvibe", *arguments),
            pass_fds=[self._listening.fileno()] if "--fd" in arguments else [],
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which ends its children in order
            preexec_fn=dies_with_parent(signal.SIGKILL),
        )

    async def _end_of(self, child: Process) -> None:
        """Wait until it ends by itself, or end it when we are told to stop."""
        ended = asyncio.ensure_future(child.wait())
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            child.terminate()
            await asyncio.wait({ended}, timeout=PATIENCE)
        if not ended.done():
            child.kill()
        await ended

    async def _keep_postgres(self, postgres: embedded.Server) -> None:
        pauses = Pauses()
        while not await self._stopping_within(0.2):
            if not postgres.ended:
                continue
            pause = pauses.next()
            log.error("process_ended", process="postgres", starting_again_in=pause)
            await self._stopping_within(pause)
            pauses.began()
            try:
                postgres.revive()
            except CommandError as failed:
                log.error("postgres_did_not_start", reason=str(failed))  # noqa: TRY400 - it is said in words

    async def _announce(self, words: str) -> None:
        while not self._stopping.is_set():
            if await address.is_ready(self._listening):
                typer.echo(words)
                return
            await self._stopping_within(0.05)

    async def _stopping_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()


class Pauses:
    """How long to wait before starting again what ended: nothing at first, longer while it keeps ending."""

    def __init__(self) -> None:
        self._pause = 0.0
        self._began = time.monotonic()

    def began(self) -> None:
        self._began = time.monotonic()

    def next(self) -> float:
        healthy = time.monotonic() - self._began > STEADY
        pause, self._pause = (0.0, 0.1) if healthy else (self._pause, min(max(2 * self._pause, 0.1), LONGEST_PAUSE))
        return pause
