"""Sends a request whose client leaves before the answer."""

import asyncio
import json
from typing import Any

from starlette.types import Message

from support.callers import Caller

GUARD_SECONDS = 60


class LeavingClient:
    """One request, served until its client leaves."""

    def __init__(self, app: Any, caller: Caller, method: str, path: str, body: Any = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {**caller.who.headers, "content-type": "application/json", "content-length": str(len(content))}
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "server": ("leadvibe.test", 80),
            "client": ("127.0.0.1", 1),
        }
        self._app = app
        self._content: bytes | None = content
        self._left = asyncio.Event()
        self.sent: list[Message] = []
        self._serving = asyncio.create_task(self._serve())

    async def leave(self) -> None:
        """Leave, and return when the server has ended the request."""
        self._left.set()
        async with asyncio.timeout(GUARD_SECONDS):
            await self._serving

    async def _serve(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._content is not None:
            content, self._content = self._content, None
            return {"type": "http.request", "body": content, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None
