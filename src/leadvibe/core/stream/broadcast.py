"""Takes an OU's frames to those who follow it, reading them once per process however many there are.

A follower is first caught up from the table at its own pace, then joins the live channel of its OU. There it has a
queue; who lets it grow too long is told to start over and let go, and nobody else notices.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from contextvars import Context
from typing import Final

import structlog

from leadvibe.core.database.transactions import transaction
from leadvibe.core.logs import summary
from leadvibe.core.stream import frames as stream
from leadvibe.core.stream.frames import FramePage
from leadvibe.core.stream.sse import Block, alive, blocks_of, resync

LONGEST_QUEUE: Final = 4 * 1024 * 1024
"""Bytes that may wait for one follower."""
READERS: Final = 3
"""Database connections that the stream takes at a time: when many come back at once, requests want some too."""
LONGEST_PAUSE: Final = 5.0

log = structlog.get_logger()


class Follower:
    """What waits for one who follows an OU live."""

    def __init__(self) -> None:
        self._blocks: deque[Block] = deque()
        self._size = 0
        self._lost = False
        self._news = asyncio.Event()

    def offer(self, block: Block) -> None:
        if self._lost:
            return
        if self._size + block.size > LONGEST_QUEUE:
            self.lose()
            return
        self._size += block.size
        self._blocks.append(block)
        self._news.set()

    def lose(self) -> None:
        """Give up on it: it can't make up here for what it misses."""
        self._lost = True
        self._blocks.clear()
        self._news.set()

    async def take(self) -> Block | None:
        """The next block; None when it was lost."""
        await self._news.wait()
        if self._lost:
            return None
        block = self._blocks.popleft()
        self._size -= block.size
        if not self._blocks:
            self._news.clear()
        return block


class Channel:
    """One OU's frames on their way to its followers."""

    def __init__(self, unit_id: str, cursor: int, connections: asyncio.Semaphore) -> None:
        self.unit_id = unit_id
        self.cursor = cursor
        """The number of the last frame that was passed on."""
        self.readers = 0
        self.followers: set[Follower] = set()
        self.news = asyncio.Event()
        self.news.set()  # something may have come between the look at the cursor and now
        self._connections = connections

    async def read(self, after: int) -> FramePage:
        async with self._connections, transaction(None) as session:
            return await stream.read(session, self.unit_id, after)

    async def run(self) -> None:
        """Pass on what is committed for as long as somebody reads."""
        pause = 0.1
        while self.readers:
            await self.news.wait()
            self.news.clear()
            try:
                while self.readers and (page := await self.read(self.cursor)).head != self.cursor:
                    self._pass_on(page)
                pause = 0.1
            except Exception as error:  # noqa: BLE001 - its followers depend on it, so it waits and tries again
                log.warning("frames not read", unit_id=self.unit_id, reason=summary(error), seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                self.news.set()

    def _pass_on(self, page: FramePage) -> None:
        if not page.follows(self.cursor):
            # They were deleted before we came to read them, or the database is an older copy of itself.
            self.cursor = page.head
            self.lose_all()
            return
        for block in blocks_of(page):
            for follower in self.followers:
                follower.offer(block)
        self.cursor = page.end

    def lose_all(self) -> None:
        for follower in self.followers:
            follower.lose()


class Broadcaster:
    """A process's channels: one for each OU that somebody follows here."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._joining = asyncio.Lock()
        self._connections = asyncio.Semaphore(READERS)
        self._closed = False

    def notice(self, unit_id: str | None) -> None:
        """An OU has new frames; None means that any may have."""
        known = self._channels.values() if unit_id is None else [self._channels.get(unit_id)]
        for channel in known:
            if channel is not None:
                channel.news.set()

    async def close(self) -> None:
        """Let everybody go."""
        self._closed = True
        for channel in self._channels.values():
            channel.lose_all()
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
            channel.news.set()
            if not channel.readers:
                del self._channels[unit_id]

    async def follow(self, unit_id: str, after: int | None, keepalive: float) -> AsyncGenerator[Block]:
        """An OU's frames after the one of this number, or from now on, and a sign of life in every longer silence.

        It says resync first where it can't go on after that number without a gap, and last when it lets a slow
        follower go.
        """
        async with self._channel(unit_id) as channel:
            position = channel.cursor if after is None else after
            yield alive(position)
            async with aclosing(self._catch_up(channel, position)) as blocks:
                async for block in blocks:
                    yield block
                    position = block.end
            # Nobody else runs between the end of catching up and this: so no frame comes in between either.
            follower = Follower()
            channel.followers.add(follower)
            if self._closed:
                follower.lose()
            try:
                async with aclosing(_live(follower, position, keepalive)) as blocks:
                    async for block in blocks:
                        yield block
                yield resync(channel.cursor)
            finally:
                channel.followers.discard(follower)

    async def _catch_up(self, channel: Channel, position: int) -> AsyncGenerator[Block]:
        """What comes after a position, until the channel has nothing that isn't known already."""
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


async def _live(follower: Follower, position: int, keepalive: float) -> AsyncGenerator[Block]:
    """What the channel offers after a position, until the follower is lost."""
    while True:
        try:
            async with asyncio.timeout(keepalive):
                block = await follower.take()
        except TimeoutError:
            yield alive(position)
            continue
        if block is None:
            return
        if block.end > position:
            yield block.after(position)
            position = block.end
