"""A computation that only ends when it is stopped."""

import asyncio
import threading
from time import monotonic
from typing import Any

from leadvibe.core.threads import Stopped, StopSignal

GUARD_SECONDS = 30
"""After this, a computation that ought to have been stopped fails."""


class EndlessWork:
    """Takes the place of a computation: a function that gets a signal among its arguments."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()
        self.stopped = False

    def __call__(self, *arguments: Any, **_options: Any) -> Any:
        (signal,) = (each for each in arguments if isinstance(each, StopSignal))
        self.began.set()
        guard = monotonic() + GUARD_SECONDS
        try:
            while monotonic() < guard:
                signal.check()
        except Stopped:
            self.stopped = True
            raise
        finally:
            self.ended.set()
        raise AssertionError("the computation was not stopped")

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.began.wait, GUARD_SECONDS)
