"""Reads an open `/stream`; httpx's ASGI transport can't, because it waits for the end of the response."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Event:
    """One server-sent event; a comment has neither name nor data."""

    name: str | None
    id: str | None
    data: Any
    comment: str | None = None


class Stream:
    """The received events in order; clearing `reading` stops the reader."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: httpx.Headers = httpx.Headers()
        self.ended = asyncio.Event()
        self.reading = asyncio.Event()
        self.reading.set()
        self.gone = asyncio.Event()
        self._started = asyncio.Event()
        self._text = ""
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    async def send(self, message: dict[str, Any]) -> None:
        await self.reading.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = httpx.Headers(message["headers"])
            self._started.set()
        self._text += message.get("body", b"").decode()
        *complete, self._text = self._text.split("\n\n")
        for block in complete:
            self._events.put_nowait(_parse(block))

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def started(self) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await self._started.wait()

    async def next(self) -> Event:
        """The next event or comment."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self._events.get()

    async def next_event(self) -> Event:
        async with asyncio.timeout(TIMEOUT_SECONDS):  # comments that keep the connection alive don't extend it
            while (event := await self.next()).comment is not None:
                pass
            return event

    async def events(self, number: int) -> list[Event]:
        return [await self.next_event() for _ in range(number)]

    async def rest(self) -> list[Event]:
        """All remaining events, after the server has ended the response."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await self.ended.wait()
        events = [self._events.get_nowait() for _ in range(self._events.qsize())]
        return [event for event in events if event.comment is None]


def _parse(block: str) -> Event:
    fields: dict[str, str] = {}
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        fields[name] = value.removeprefix(" ")
    data = json.loads(fields["data"]) if "data" in fields else None
    return Event(fields.get("event"), fields.get("id"), data, fields.get(""))


@asynccontextmanager
async def following(app: Any, headers: Any = (), **parameters: str) -> AsyncGenerator[Stream]:
    """`GET /stream` during the block; the response has started when the block begins."""
    stream = Stream()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/stream",
        "raw_path": b"/stream",
        "root_path": "",
        "query_string": urlencode(parameters).encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in dict(headers).items()],
        "client": ("127.0.0.1", 1),
        "server": ("leadvibe.test", 80),
    }

    async def run() -> None:
        try:
            await app(scope, stream.receive, stream.send)
        finally:
            stream.ended.set()

    task = asyncio.create_task(run())
    try:
        await stream.started()
        yield stream
    finally:
        stream.reading.set()
        stream.gone.set()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await task
