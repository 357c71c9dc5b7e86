"""Distributes an OU's frames to its followers; each process reads them once, whatever the number of followers.

A follower first reads from the table at its own pace until it has caught up, then joins its OU's live channel. There it
has a queue. A follower whose queue grows too long is told to reload (`resync`) and disconnected; others don't notice.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from contextvars import Context
from typing import Final

from leadvibe.core.database.transactions import transaction
from leadvibe.core.retries import retry_forever
from leadvibe.core.stream import frames as stream
from leadvibe.core.stream.frames import FramePage
from leadvibe.core.stream.sse import Block, blocks_of, keep_alive, resync

MAX_QUEUE_BYTES: Final = 4 * 1024 * 1024
"""The size of one follower's queue."""
MAX_CONNECTIONS: Final = 3
"""Database connections the stream uses at a time: when many clients reconnect at once, requests need some too."""
MAX_PAUSE_SECONDS: Final = 5.0


class Follower:
    """The queue of one client that follows an OU live."""

    def __init__(self) -> None:
        self._blocks: deque[Block] = deque()
        self._size = 0
        self._dropped = False
        self._changed = asyncio.Event()

    def put(self, block: Block) -> None:
        if self._dropped:
            return
        if self._size + block.size > MAX_QUEUE_BYTES:
            self.drop()
            return
        self._size += block.size
        self._blocks.append(block)
        self._changed.set()

    def drop(self) -> None:
        """Disconnect the follower; it must reload its data."""
        self._dropped = True
        self._blocks.clear()
        self._changed.set()

    async def get(self) -> Block | None:
        """The next block; None if the follower was dropped."""
        await self._changed.wait()
        if self._dropped:
            return None
        block = self._blocks.popleft()
        self._size -= block.size
        if not self._blocks:
            self._changed.clear()
        return block


class Channel:
    """Passes one OU's new frames on to its followers."""

    def __init__(self, unit_id: str, cursor: int, connections: asyncio.Semaphore) -> None:
        self.unit_id = unit_id
        self.cursor = cursor
        """The number of the last frame that was passed on."""
        self.readers = 0
        self.followers: set[Follower] = set()
        self.changed = asyncio.Event()
        self.changed.set()  # frames may have been committed since the cursor was read
        self._connections = connections

    async def read(self, after: int) -> FramePage:
        async with self._connections, transaction(None) as session:
            return await stream.read(session, self.unit_id, after)

    async def run(self) -> None:
        """Pass on committed frames while the channel has readers."""
        while self.readers:
            await self.changed.wait()
            self.changed.clear()
            # Retried whatever the error: the followers depend on it.
            await retry_forever(
                self._read_on, "reading stream frames failed", max_pause_seconds=MAX_PAUSE_SECONDS, unit_id=self.unit_id
            )

    async def _read_on(self) -> None:
        while self.readers and (page := await self.read(self.cursor)).head != self.cursor:
            self._pass_on(page)

    def _pass_on(self, page: FramePage) -> None:
        if not page.follows(self.cursor):
            # Frames were deleted before we read them, or the database was restored from a backup.
            self.cursor = page.head
            self.drop_followers()
            return
        for block in blocks_of(page):
            for follower in self.followers:
                follower.put(block)
        self.cursor = page.end

    def drop_followers(self) -> None:
        for follower in self.followers:
            follower.drop()


class Broadcaster:
    """A process's channels, one for each OU that has followers in this process."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._joining = asyncio.Lock()
        self._connections = asyncio.Semaphore(MAX_CONNECTIONS)
        self._closed = False

    def notice(self, unit_id: str | None) -> None:
        """Tell the channel that its OU may have new frames; None means any OU."""
        channels = self._channels.values() if unit_id is None else [self._channels.get(unit_id)]
        for channel in channels:
            if channel is not None:
                channel.changed.set()

    async def close(self) -> None:
        """Disconnect all followers."""
        self._closed = True
        for channel in self._channels.values():
            channel.drop_followers()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def _channel(self, unit_id: str) -> AsyncGenerator[Channel]:
        async with self._joining:
            channel = self._channels.get(unit_id)
            if channel is None:
                async with transaction(None) as session:
                    channel = Channel(unit_id, await stream.head(session, unit_id), self._connections)
                self._channels[unit_id] = channel
            channel.readers += 1
        if channel.readers == 1:
            task = asyncio.create_task(channel.run(), context=Context())  # it serves more than this request
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            yield channel
        finally:
            channel.readers -= 1
            channel.changed.set()
            if not channel.readers:
                del self._channels[unit_id]

    async def follow(
        self, unit_id: str, after: int | None, keepalive_seconds: float, follower: Follower
    ) -> AsyncGenerator[Block]:
        """An OU's frames after frame number `after` (None: from now on), with a comment after each silent interval.

        Yields `resync` first if frames after that number are missing, and last if the follower was too slow.
        """
        async with self._channel(unit_id) as channel:
            position = channel.cursor if after is None else after
            yield keep_alive(position)
            async with aclosing(self._catch_up(channel, position)) as blocks:
                async for block in blocks:
                    yield block
                    position = block.end
            # No other task runs between the end of catching up and `add`, so no frame is missed in between.
            channel.followers.add(follower)
            if self._closed:
                follower.drop()
            try:
                async with aclosing(_live(follower, position, keepalive_seconds)) as blocks:
                    async for block in blocks:
                        yield block
                yield resync(channel.cursor)
            finally:
                channel.followers.discard(follower)

    async def _catch_up(self, channel: Channel, position: int) -> AsyncGenerator[Block]:
        """Frames after a position, read from the table until the channel's cursor is reached."""
        while True:
            page = await channel.read(position)
            if page.follows(position):
                for block in blocks_of(page):
                    yield block
                position = page.end
            else:
                position = channel.cursor
                yield resync(position)
            if position >= channel.cursor:
                return


async def _live(follower: Follower, position: int, keepalive_seconds: float) -> AsyncGenerator[Block]:
    """The follower's blocks after a position, until it is dropped."""
    while True:
        try:
            async with asyncio.timeout(keepalive_seconds):
                block = await follower.get()
        except TimeoutError:
            yield keep_alive(position)
            continue
        if block is None:
            return
        if block.end > position:
            yield block.after(position)
            position = block.end
