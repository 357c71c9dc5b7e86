"""Runs long computations in threads that stop when the task that waits for them is cancelled."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Event
from typing import Final, TypeVar

T = TypeVar("T")

MAX_THREADS: Final = 4

# Threads of their own, so that long computations don't delay short ones, such as writing an upload to disk.
_threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="computation")


class Stopped(Exception):
    """The computation was stopped, because nobody waits for its result."""


class StopSignal:
    """Tells a function in a thread that it must stop. The function checks it often."""

    def __init__(self) -> None:
        self._stopped = Event()

    def stop(self) -> None:
        self._stopped.set()

    def check(self) -> None:
        """Raise `Stopped` if the computation must stop."""
        if self._stopped.is_set():
            raise Stopped

    def checked(self, items: Iterable[T], *, every: int = 256) -> Iterator[T]:
        """The items. Checks the signal before the first one, and again after `every` items."""
        for number, item in enumerate(items):
            if number % every == 0:
                self.check()
            yield item


async def compute(function: Callable[[StopSignal], T]) -> T:
    """The function's result, computed in a thread.

    If the task is cancelled, the function is told to stop, and this raises after the thread has ended. So whatever the
    task holds for the computation is released only when the computation no longer runs.
    """
    signal = StopSignal()
    running = _threads.submit(copy_context().run, function, signal)
    try:
        return await asyncio.wrap_future(running)
    except asyncio.CancelledError:
        signal.stop()
        await asyncio.gather(asyncio.wrap_future(running), return_exceptions=True)
        raise
