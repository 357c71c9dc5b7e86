"""The HTTP protocol of API processes: uvicorn's, with limits on request heads and on slow connections."""

import json
from asyncio import BaseTransport, TimerHandle, Transport
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from leadvibe.config import settings
from leadvibe.core.http.problems import MEDIA_TYPE, problem_body
from leadvibe.limits import variable

MAX_UNFINISHED_BYTES: Final = 2 * HIGH_WATER_LIMIT
"""A head that arrives in many chunks is refused if it is longer, even before its first header is complete."""


_HEAD: Final = "head"
_BODY: Final = "body"


class HeadTooLarge(Exception):
    """The request has too many or too long headers."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Refuses large request heads with 431, and closes connections whose client sends or reads too slowly."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        limits = settings()
        self._max_connections = limits.max_connections
        self._max_headers = limits.max_headers
        self._max_header_bytes = limits.max_header_bytes
        self._head_timeout = limits.request_head_timeout.total_seconds()
        self._body_timeout = limits.request_body_timeout.total_seconds()
        self._response_timeout = limits.response_timeout.total_seconds()
        self._deadline: float | None = None
        self._otherwise = self._close
        self._timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None
        self._awaited: str | None = None
        """What the client must send next: the rest of the head or of the body. None between requests."""
        self._began = False
        """Whether the data under way contain the start of a request."""
        self._unfinished_bytes = 0
        self._problem: tuple[HTTPStatus, str] | None = None
        """Why the request is refused; None if it isn't, or is no HTTP."""

    # Connections
    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast("Transport", transport))
        if len(self.connections) > self._max_connections:
            detail = f"The server has too many open connections (setting {variable('max_connections')})."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail)
        else:
            self._expect(self._head_timeout, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._stop_write_timer()
        super().connection_lost(exc)

    # The head of a request
    def data_received(self, data: bytes) -> None:
        self._began = False
        super().data_received(data)
        if self._awaited is None:
            self._deadline = None
        elif self._awaited is _BODY:
            self._expect(self._body_timeout, self._close_if_slow)
        elif self._began:
            self._unfinished_bytes = 0
            self._expect(self._head_timeout, self._close)
        elif not self.transport.is_closing():
            self._unfinished_bytes += len(data)
            if self._unfinished_bytes > MAX_UNFINISHED_BYTES:
                self._refuse(*self._too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._awaited, self._began = _HEAD, True

    def on_headers_complete(self) -> None:
        self._awaited = _BODY
        size = len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value)
        if size > self._max_header_bytes or len(self.headers) > self._max_headers:
            self._problem = self._too_large()
            raise HeadTooLarge  # then uvicorn calls send_400_response
        super().on_headers_complete()

    def _too_large(self) -> tuple[HTTPStatus, str]:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, (
            f"A request may have {self._max_headers} headers (setting {variable('max_headers')}), and "
            f"{self._max_header_bytes:,} bytes of path and headers (setting {variable('max_header_bytes')})."
        )

    # The body of a request
    def on_message_complete(self) -> None:
        self._awaited = None
        super().on_message_complete()

    def _close_if_slow(self) -> None:
        """Close the connection, unless the server itself has paused reading because it is busy."""
        if self.flow.read_paused:
            self._expect(self._body_timeout, self._close_if_slow)
        else:
            self._close()

    # The response
    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def _watch_writing(self) -> None:
        """Abort the connection if the client reads nothing during the timeout."""
        size = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() < size:
                self._watch_writing()
            else:
                self.transport.abort()

        self._write_timer = self.loop.call_later(self._response_timeout, check)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # Timeouts and refusals
    def _expect(self, timeout: float, otherwise: Callable[[], None]) -> None:
        """Call `otherwise` after these seconds, unless something else, or nothing, is expected before.

        A running timer stays: to start one for every request would take longer than to look at the time again.
        """
        self._deadline, self._otherwise = self.loop.time() + timeout, otherwise
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._check_deadline)
        else:
            self._otherwise()

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that can't be parsed, or that is refused while it is parsed."""
        self._refuse(*(self._problem or (HTTPStatus.BAD_REQUEST, msg)))

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        body = json.dumps(problem_body(status, detail)).encode()
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"content-type: {MEDIA_TYPE}",
            f"content-length: {len(body)}",
            "connection: close",
            *(["retry-after: 1"] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
        ]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()
