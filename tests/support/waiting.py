"""Waiting for what another task or process does, without guessing how long it takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE = 120.0


async def eventually(look: Callable[[], Awaitable[Any]], *, within: float = PATIENCE, every: float = 0.02) -> Any:
    """What the look finds as soon as it finds something."""
    deadline = time.monotonic() + within
    while not (found := await look()):
        assert time.monotonic() < deadline, f"not within {within:.0f} s"
        await asyncio.sleep(every)
    return found
