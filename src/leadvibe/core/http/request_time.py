"""Ends the work for a request whose client has left, or whose answer takes too long."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadvibe.core.http.problems import Problem, Unavailable, render

WATCH_AFTER_SECONDS: Final = 0.25
"""Shorter requests aren't watched: noticing that a client has left needs a task of its own."""
CHECK_SECONDS: Final = 1.0
"""How often the deadline of a longer request is checked."""

REQUEST: Final = "leadvibe.request"
"""The key of the `RunningRequest` in the ASGI scope."""


class ClientLeft(Problem):
    """Nobody receives this. It gives logs and metrics a status that is no error of the server."""

    status = 499
    detail = "The client closed the connection before the answer."


class TooSlow(Unavailable):
    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The request was not answered within {seconds:g} seconds (LEADVIBE_REQUEST_TIMEOUT), and its work was "
            "stopped. Try again later, or ask for less at once.",
            retry_after=5,
        )


class LimitTime:
    """Cancels a request when its client leaves or its deadline passes.

    The deadline holds until the response starts. While a body arrives, each part of it moves the deadline, so that an
    upload may take as long as it needs, and so does each part of a response that the client takes. A stream or an
    export ends when the client leaves or stops reading.
    """

    def __init__(self, app: ASGIApp, timeout: Callable[[], timedelta]) -> None:
        self.app = app
        self.timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = RunningRequest(scope, receive, send, self.timeout().total_seconds())
        scope[REQUEST] = request
        try:
            async with asyncio.timeout(None) as work:
                request.start(work)
                await self.app(scope, request.receive, request.send)
        except Exception:
            if request.problem is None:  # otherwise the error only says that the work was cancelled
                raise
        finally:
            request.end()
        if request.problem is not None and not request.response_started:
            with suppress(OSError):  # some servers raise it when the client has left
                await render(request.problem)(scope, receive, send)


class RunningRequest:
    """A request while it is served."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, timeout_seconds: float) -> None:
        self.problem: Problem | None = None
        """Why the request was ended."""
        self.response_started = False
        self._receive = receive
        self._send = send
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self.deadline = self._loop.time() + timeout_seconds
        self._has_body = _has_body(scope)
        self._reading = False
        self._body_complete = False
        self._response_complete = False
        self._unread: Message | None = None
        """A message that arrived before the application asked for it."""
        self._left = asyncio.Event()
        self._work: asyncio.Timeout | None = None
        self._watching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, work: asyncio.Timeout) -> None:
        """Watch the work, which runs inside this timeout."""
        self._work = work
        self._timer = self._loop.call_later(min(WATCH_AFTER_SECONDS, self._timeout_seconds), self._check)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def remove_deadline(self) -> None:
        """Let the request take as long as it needs; it still ends when its client leaves."""
        self._timeout_seconds = self.deadline = math.inf

    async def receive(self) -> Message:
        if self._unread is not None:
            message, self._unread = self._unread, None
            return message
        if self._body_complete:
            self._watch()
            await self._left.wait()
            return {"type": "http.disconnect"}
        self._reading = True
        message = await self._receive()
        self._reading = False
        self._note(message)
        return message

    async def send(self, message: Message) -> None:
        if self.problem is not None:  # the work was cancelled and must not answer
            return
        self.response_started = True
        if message["type"] == "http.response.body":
            self._response_complete = not message.get("more_body", False)
        self._move_deadline()
        await self._send(message)
        self.deadline = math.inf

    def _note(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._body_complete = True
            self._left.set()  # the application stops by itself, because it can't read the body
        else:
            self._body_complete = not message.get("more_body", False)
            if not self.response_started:  # afterwards, only a client that doesn't read is late
                self._move_deadline()

    def _move_deadline(self) -> None:
        self.deadline = self._loop.time() + self._timeout_seconds

    def _check(self) -> None:
        """Watch for the client from now on, and end the request if it is late."""
        if self._body_complete or not (self._has_body or self._reading):
            self._watch()
        now = self._loop.time()
        if now >= self.deadline:
            self._stop(TooSlow(self._timeout_seconds))
            return
        self._timer = self._loop.call_later(min(self.deadline - now, CHECK_SECONDS), self._check)

    def _watch(self) -> None:
        if self._watching is None:
            self._watching = self._loop.create_task(self._wait_for_client())

    async def _wait_for_client(self) -> None:
        """Wait until the client leaves. The server also reports that when the response is complete."""
        while not self._body_complete:  # a request without a body; the application may not have asked for it
            self._unread = await self._receive()
            self._note(self._unread)
        if not self._left.is_set():
            await self._receive()
        self._left.set()
        if not self._response_complete:
            self._stop(ClientLeft())

    def _stop(self, problem: Problem) -> None:
        if self.problem is None and self._work is not None:
            self.problem = problem
            self._work.reschedule(self._loop.time())


def _has_body(scope: Scope) -> bool:
    return any(
        (name == b"content-length" and value != b"0") or name == b"transfer-encoding"
        for name, value in scope["headers"]
    )


def running_request(scope: Scope) -> RunningRequest:
    return cast("RunningRequest", cast("dict[str, Any]", scope)[REQUEST])
