"""Answers HEAD like GET, and treats a path with a trailing slash like the path without it."""

from anyio import CancelScope
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class NormalizeRequests:
    """Serves HEAD by the operation for GET, without its body, and removes slashes from the end of the path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("/"):
            _remove_trailing_slashes(scope)
        if scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        # The scope is changed in place, because the outer middleware reads the matched route from it.
        scope["method"] = "GET"
        try:
            with CancelScope() as running:
                await self.app(scope, receive, _HeadersOnly(send, running).send)
        finally:
            scope["method"] = "HEAD"


def _remove_trailing_slashes(scope: Scope) -> None:
    # `path` is decoded: "/event-types/a%2F" ends with a slash there, which belongs to the name of the event type.
    raw = scope.get("raw_path") or scope["path"].encode()
    number = len(raw) - len(raw.rstrip(b"/"))
    if number:
        scope["path"] = scope["path"][:-number] or "/"
        scope["raw_path"] = raw[:-number] or b"/"


class _HeadersOnly:
    """Sends the start of a response and no body, and stops a response that is sent in parts."""

    def __init__(self, send: Send, running: CancelScope) -> None:
        self._send = send
        self._running = running

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            if _is_event_stream(message):  # its first event may be hours away
                self._running.cancel()
        elif message.get("more_body", False):
            self._running.cancel()


def _is_event_stream(start: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in start["headers"]
    )
