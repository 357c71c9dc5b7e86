"""Long jobs are done in pieces, a transaction each: what fails now and then is no reason to give the whole job up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from leadvibe.core.logs import summary
from leadvibe.core.transient import is_transient

T = TypeVar("T")

ATTEMPTS: Final = 10
SHORTEST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 10.0
"""Seconds before a piece is tried again."""

log = structlog.get_logger()


async def retry_transient(piece: Callable[[], Awaitable[T]]) -> T:
    """Do a piece, again after a pause that doubles while what hinders it may pass; each piece has all its attempts."""
    pause = SHORTEST_PAUSE
    for _ in range(ATTEMPTS - 1):
        try:
            return await piece()
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("piece of a job failed", again_in=pause, reason=summary(error))
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
    return await piece()
