"""Waits for the effects of other tasks and processes, without guessing how long they take."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

TIMEOUT_SECONDS = 120.0


async def eventually(
    check: Callable[[], Awaitable[Any]], *, within: float = TIMEOUT_SECONDS, every: float = 0.02
) -> Any:
    """Call `check` until its result is true, and return the result; times are in seconds."""
    deadline = time.monotonic() + within
    while not (result := await check()):
        assert time.monotonic() < deadline, f"not within {within:.0f} s"
        await asyncio.sleep(every)
    return result
