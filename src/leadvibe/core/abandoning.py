"""Stops waiting for work that takes too long, also if the work doesn't notice that it is cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T], abandon: Callable[[], bool] | None = None) -> T:
    """The result of the work. After this time it is abandoned, and TimeoutError is raised at once.

    `asyncio.timeout` waits until a cancelled statement has ended, which a server that stands still never confirms.
    Abandoned work is cancelled, unless `abandon` has made it fail and returns true.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.add_done_callback(_ignore_error)
            if abandon is None or not abandon():
                task.cancel()
    if task.done():
        return task.result()
    raise TimeoutError(f"abandoned after {seconds:g} s")


def _ignore_error(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
