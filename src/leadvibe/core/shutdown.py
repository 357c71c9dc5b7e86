"""Ends a process in time after SIGTERM, whatever its database or one of its threads does.

First the process ends in order. When `ORDERLY_SHARE` of the time is over, `hurry` is called in the event loop: it
terminates what the process may wait for. When all the time is over, the process exits without cleaning up.
"""

import asyncio
import faulthandler
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Final

import structlog

ORDERLY_SHARE: Final = 0.6
EXIT_CODE: Final = 1
BACKSTOP_SECONDS: Final = 1.0
"""How long after the deadline the process is ended without the interpreter, which a thread may hold."""

log = structlog.get_logger()


class _Current:
    deadline: float | None = None
    last_resorts: tuple[Callable[[], None], ...] = ()


def start(timeout_seconds: float, hurry: Callable[[], None] | None = None) -> None:
    """Start the countdown of this process; later calls change nothing. `hurry` runs in the running event loop.

    The countdown is a thread, because the event loop may be blocked.
    """
    if has_begun():
        return
    _Current.deadline = monotonic() + timeout_seconds
    with suppress(OSError, ValueError, RuntimeError):  # standard error may be closed
        faulthandler.dump_traceback_later(timeout_seconds + BACKSTOP_SECONDS, exit=True)
    loop = None
    with suppress(RuntimeError):
        loop = asyncio.get_running_loop()
    threading.Thread(target=_count_down, args=(timeout_seconds, loop, hurry), daemon=True, name="shutdown").start()


def has_begun() -> bool:
    """Whether this process is ending."""
    return _Current.deadline is not None


def remaining_seconds(default: float) -> float:
    """The time until the deadline, at least 0; `default` if the process isn't ending."""
    return default if _Current.deadline is None else max(0.0, _Current.deadline - monotonic())


@contextmanager
def at_last(action: Callable[[], None]) -> Generator[None]:
    """During the block, call this before the process exits without cleaning up: it ends child processes."""
    _Current.last_resorts = (action, *_Current.last_resorts)
    try:
        yield
    finally:
        _Current.last_resorts = tuple(each for each in _Current.last_resorts if each is not action)


def _count_down(
    timeout_seconds: float, loop: asyncio.AbstractEventLoop | None, hurry: Callable[[], None] | None
) -> None:
    clock = threading.Event()  # never set
    clock.wait(timeout_seconds * ORDERLY_SHARE)
    if loop is not None and hurry is not None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(hurry)
    clock.wait(remaining_seconds(0))
    for action in _Current.last_resorts:
        with suppress(Exception):
            action()
    log.critical("process did not end in time and exits now", timeout_seconds=timeout_seconds)
    os._exit(EXIT_CODE)
