"""Stops processes as a hung disk or a paused machine does: they neither run nor end until they are continued."""

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from leadvibe.core.postgres import postmaster


def postmaster_of(data_dir: Path) -> psutil.Process:
    """The embedded PostgreSQL of a data directory."""
    return psutil.Process(int(postmaster.pid_file_lines(data_dir / "postgres")[0]))


@contextmanager
def frozen(process: psutil.Process) -> Generator[list[psutil.Process]]:
    """Stop a process and its children until the end of the block; yields those that were stopped."""
    stopped = list(_stop(process))
    try:
        yield stopped
    finally:
        thaw(stopped)


def thaw(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.is_running():
                os.kill(process.pid, signal.SIGCONT)


def _stop(process: psutil.Process) -> Iterator[psutil.Process]:
    # The parent first: it can't start more children then.
    with suppress(psutil.NoSuchProcess):
        process.suspend()
        yield process
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.suspend()
                yield child


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; what only waits for its parent to notice its end doesn't count."""
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
