"""Runs PostgreSQL, API and worker as child processes of one process, and restarts children that end."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Coroutine
from datetime import timedelta
from types import FrameType
from typing import Any, Final, TypeVar

import structlog
import typer

from leadvibe.config import settings
from leadvibe.core import shutdown
from leadvibe.core.child_processes import dies_with_parent
from leadvibe.core.command_error import CommandError
from leadvibe.core.logs import start_logging
from leadvibe.core.metrics import WORKERS_SINCE, forget_process, heartbeats, share_metrics
from leadvibe.core.postgres import embedded
from leadvibe.core.retries import pause_after
from leadvibe.server import address, database
from leadvibe.server.database_check import is_set_up
from leadvibe.server.first_start import FirstStart
from leadvibe.server.startup_message import startup_message

CHILDREN_SHARE: Final = 2 / 3
"""The share of the shutdown timeout in which the children end; the rest is for the embedded PostgreSQL."""
KILL_AFTER_SECONDS: Final = 0.5
"""How long after its own deadline a child is killed."""
INITIAL_PAUSE: Final = timedelta(seconds=0.1)
MAX_PAUSE: Final = timedelta(seconds=30)
HEALTHY_AFTER_SECONDS: Final = 60.0
"""A child that ran this long is restarted without a pause."""

T = TypeVar("T")

START_TIMEOUT_SECONDS: Final = 120.0
"""How long a process may take until its first heartbeat."""
CHECK_SECONDS: Final = 0.5
"""How often the heartbeats are read."""
WITHOUT_HEARTBEAT: Final = frozenset({"visitors"})

log = structlog.get_logger()


def supervise(*, visitor_seed: int | None = None) -> None:
    """Run the server until SIGINT or SIGTERM; with a seed, also the demo's visitors."""
    start_logging(settings().log_level, as_json=settings().log_json)
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(address.listen(settings().host, settings().port))
        postgres = None
        if settings().embedded:
            postgres = embedded.start(settings().data_dir)
            stack.enter_context(shutdown.at_last(postgres.kill))
            stack.callback(postgres.stop)
            database.use_database(postgres.url)
        share_metrics(settings().data_dir / "run" / f"metrics-{listening.getsockname()[1]}")
        if settings().worker_processes:
            os.environ[WORKERS_SINCE] = str(time.time())
        asyncio.run(Supervisor(listening, postgres).run(visitor_seed))


class Supervisor:
    def __init__(self, listening: socket.socket, postgres: embedded.Server | None) -> None:
        self._listening = listening
        self._postgres = postgres
        self._stopping = asyncio.Event()
        self._children: set[Process] = set()
        self._children_timeout = settings().shutdown_timeout.total_seconds() * CHILDREN_SHARE

    async def run(self, visitor_seed: int | None) -> None:
        """Return when SIGINT or SIGTERM was received and every child has ended."""
        loop = asyncio.get_running_loop()

        def begin_to_stop(_number: int, _frame: FrameType | None) -> None:
            shutdown.start(settings().shutdown_timeout.total_seconds())
            loop.call_soon_threadsafe(self._stop)

        for number in (signal.SIGINT, signal.SIGTERM):
            # Not a handler of the event loop, which waits while PostgreSQL restarts.
            signal.signal(number, begin_to_stop)
        url = address.public_url(settings(), self._listening)
        first = await self._unless_stopping(self._set_up(url))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(settings().api_processes):
                tasks.create_task(self._keep_running("api", ["api", "--fd", str(self._listening.fileno())]))
            for _ in range(settings().worker_processes):
                tasks.create_task(self._keep_running("worker", ["worker"]))
            if visitor_seed is not None:
                arguments = ["--url", address.local_url(self._listening), "--seed", str(visitor_seed)]
                tasks.create_task(self._keep_running("visitors", ["visitors", *arguments]))
            if self._postgres is not None:
                tasks.create_task(self._keep_postgres_running(self._postgres))
            tasks.create_task(self._print_when_ready(startup_message(settings(), url, first)))

    async def _set_up(self, url: str) -> FirstStart | None:
        if await is_set_up(settings().database_url or ""):
            return None
        from leadvibe.server.database_setup import set_up  # noqa: PLC0415 - its imports would slow every other start

        return await set_up(settings(), url)

    async def _unless_stopping(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of the work; None if the supervisor stops before it is done."""
        working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if working.done():
            return working.result()
        working.cancel()
        return None

    def _stop(self) -> None:
        """Let the children finish; on the second signal, kill them."""
        if self._stopping.is_set():
            for child in self._children:
                child.kill()
        self._stopping.set()

    async def _keep_running(self, name: str, arguments: list[str]) -> None:
        pauses = RestartPauses()
        while not self._stopping.is_set():
            pauses.started()
            child = await self._spawn(arguments)
            self._children.add(child)
            try:
                await self._wait_for_end(name, child)
            finally:
                self._children.discard(child)
                if child.returncode is None:
                    child.kill()
                forget_process(child.pid)
            if not self._stopping.is_set():
                pause = pauses.next_seconds()
                log.error("process ended", process=name, exit_code=child.returncode, restart_in_seconds=pause)
                await self._stopping_within(pause)

    async def _spawn(self, arguments: list[str]) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "leadvibe", *arguments),
            pass_fds=[self._listening.fileno()] if "--fd" in arguments else [],
            env={**os.environ, "LEADVIBE_SHUTDOWN_TIMEOUT": f"PT{self._children_timeout}S"},
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the supervisor only, which stops its children in order
            preexec_fn=dies_with_parent(signal.SIGKILL),
        )

    async def _wait_for_end(self, name: str, child: Process) -> None:
        """Wait until the child ends; stop it when the supervisor stops, and kill it when it hangs."""
        ended = asyncio.ensure_future(child.wait())
        stopping = asyncio.ensure_future(self._stopping.wait())
        hung = asyncio.ensure_future(self._until_hung(name, child))
        await asyncio.wait({ended, stopping, hung}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done() and not hung.done():
            child.terminate()
            await asyncio.wait({ended}, timeout=self._children_timeout + KILL_AFTER_SECONDS)
        hung.cancel()
        if not ended.done():
            child.kill()
        await ended

    async def _until_hung(self, name: str, child: Process) -> None:
        """Return when the child's event loop has stood still for the watchdog timeout.

        The time is counted in checks. Otherwise a machine that was paused would find all heartbeats too old.
        """
        last, checks = 0.0, 0
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            current = heartbeats().get(child.pid, 0.0)
            last, checks = current, checks + 1 if current == last else 0
            limit = settings().watchdog_timeout.total_seconds() if current else START_TIMEOUT_SECONDS
            if checks * CHECK_SECONDS >= limit and name not in WITHOUT_HEARTBEAT:
                log.error("process hangs and is killed", process=name, pid=child.pid, silent_for_seconds=limit)
                return

    async def _keep_postgres_running(self, postgres: embedded.Server) -> None:
        pauses = RestartPauses()
        while not await self._stopping_within(0.2):
            if not postgres.ended:
                continue
            pause = pauses.next_seconds()
            log.error("process ended", process="postgres", restart_in_seconds=pause)
            await self._stopping_within(pause)
            pauses.started()
            try:
                postgres.restart()
            except CommandError as error:
                log.error("postgres did not start", reason=str(error))  # noqa: TRY400 - the message says enough

    async def _print_when_ready(self, message: str) -> None:
        while not self._stopping.is_set():
            if await address.is_ready(self._listening):
                typer.echo(message)
                return
            await self._stopping_within(0.05)

    async def _stopping_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()


class RestartPauses:
    """The pauses before a process is restarted: none at first, doubling while it keeps ending early."""

    def __init__(self) -> None:
        self._failures = 0
        self._started_at = time.monotonic()

    def started(self) -> None:
        self._started_at = time.monotonic()

    def next_seconds(self) -> float:
        if time.monotonic() - self._started_at > HEALTHY_AFTER_SECONDS:
            self._failures = 0
        failures, self._failures = self._failures, self._failures + 1
        return pause_after(failures, INITIAL_PAUSE, MAX_PAUSE).total_seconds() if failures else 0.0
