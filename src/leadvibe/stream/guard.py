"""Ends the open streams of a process when the access of their readers ends."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import structlog

from leadvibe.access.authentication.proofs import scopes_with_access
from leadvibe.core.database.transactions import transaction
from leadvibe.core.logs import summary
from leadvibe.core.scope import Scope
from leadvibe.core.stream.broadcast import Follower

RECHECK_SECONDS: Final = 3.0
"""How often the access of all streams is checked: tokens expire, and a notification may be missed."""
PAUSE_SECONDS: Final = 0.2
"""The least time between two checks, however many notifications arrive."""

log = structlog.get_logger()


class OpenStream:
    """A reader's stream, and the queue that it waits on."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.follower = Follower()
        self.allowed = True

    def end(self) -> None:
        self.allowed = False
        self.follower.drop()


class StreamGuard:
    """The open streams of a process. One query per kind of proof checks all of them."""

    def __init__(self) -> None:
        self._streams: set[OpenStream] = set()
        self._changed = asyncio.Event()

    def recheck(self) -> None:
        """Check the access of all streams now."""
        self._changed.set()

    @contextmanager
    def watch(self, scope: Scope) -> Generator[OpenStream]:
        stream = OpenStream(scope)
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RECHECK_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self._end_streams_without_access()
            except Exception as error:  # noqa: BLE001 - the loop must go on; without a database no stream gets frames
                log.warning("checking access to streams failed", reason=summary(error))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _end_streams_without_access(self) -> None:
        streams = list(self._streams)
        if not streams:
            return
        async with transaction(None) as session:
            allowed = await scopes_with_access(session, [stream.scope for stream in streams])
        for stream, still_allowed in zip(streams, allowed, strict=True):
            if not still_allowed:
                stream.end()


@asynccontextmanager
async def guarding(guard: StreamGuard) -> AsyncGenerator[None]:
    """Check the streams during the block."""
    task = asyncio.create_task(guard.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
