"""Middleware for every request: id, metrics, log line, and a limit to the body."""

import re
from collections.abc import Iterable
from secrets import token_hex
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadvibe.core.http.problems import TooLarge, render
from leadvibe.core.http.raw_routes import RawRoute
from leadvibe.core.http.request_body import BOM
from leadvibe.core.http.route_templates import route_template
from leadvibe.core.http.safe_headers import with_safe_headers
from leadvibe.core.metrics import count_request

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
FREQUENT = frozenset({("POST", "/ingest"), ("POST", "/events")})
UNLOGGED = frozenset(
    {
        *FREQUENT,
        *((method, path) for method in ("GET", "HEAD") for path in ("/metrics", "/healthz", "/readyz")),
    }
)
"""Requests that are logged only if they fail."""

log = structlog.get_logger("leadvibe.http")


def header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


def request_id(scope: Scope) -> bytes:
    """The request's `X-Request-ID` if it is valid, else a new id."""
    sent = header(scope, b"x-request-id")
    if sent is not None and REQUEST_ID.fullmatch(sent):
        return sent
    return b"req_" + token_hex(16).encode()


class ResponseMonitor:
    """Records the status of a response, and adds the headers that every response has."""

    def __init__(self, scope: Scope, request_id: bytes, send: Send) -> None:
        self.status = 500
        self.complete = False
        self._scope = scope
        self._header = (b"x-request-id", request_id)
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = with_safe_headers(self._scope, (*message.get("headers", ()), self._header))
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        await self._send(message)


class ObserveRequests:
    """Gives every request an id (`X-Request-ID`, and in its log lines), counts it and logs it.

    Paths contain ids and names of people, so the log has the template of the route, unless `log_paths` is set.
    """

    def __init__(self, app: ASGIApp, *, log_paths: bool = False) -> None:
        self.app = app
        self.log_paths = log_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        id_ = request_id(scope)
        started = perf_counter()
        response = ResponseMonitor(scope, id_, send)
        structlog.contextvars.bind_contextvars(request_id=id_.decode())
        try:
            await self.app(scope, receive, response.send)
        except Exception:
            # Starlette re-raises errors that it has already answered and we have logged.
            if not response.complete:
                raise
        finally:
            method, route = scope["method"], route_template(scope)
            count_request(method, response.status, route)
            if response.status >= 500 or (method, route) not in UNLOGGED:
                took = round((perf_counter() - started) * 1000, 1)
                path = scope["path"] if self.log_paths else route
                log.info("request", method=method, path=path, code=response.status, ms=took)


class SingleEvents:
    """Serves the most frequent requests by themselves, and passes all others on.

    They need no deadline, because storing them has a timeout, and no decoding or rewriting of the request.
    """

    def __init__(self, routes: Iterable[RawRoute], others: ASGIApp) -> None:
        self.routes = {(route.method, route.path): route for route in routes if (route.method, route.path) in FREQUENT}
        self.others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self.routes.get((scope["method"], scope["path"]))
        if route is None or header(scope, b"content-encoding") is not None:
            await self.others(scope, receive, send)
        else:
            scope["route"] = route
            await route.app(scope, receive, send)


class LimitBody:
    """Answers 413 if the body exceeds `limit` bytes, with or without a Content-Length, and removes its BOM."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit
        self.detail = f"body: must be at most {limit:,} bytes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = header(scope, b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > self.limit:
            await render(TooLarge(self.detail))(scope, receive, send)
            return
        await self.app(scope, _TextBody(receive, self.limit, self.detail).receive, send)


class _TextBody:
    """Passes on a body without its BOM. Raises TooLarge if it is longer than `limit` bytes."""

    def __init__(self, receive: Receive, limit: int, detail: str) -> None:
        self._receive = receive
        self._limit = limit
        self._detail = detail
        self._received = 0
        self._at_start = True

    async def receive(self) -> Message:
        message = await self._next()
        if self._at_start and message["type"] == "http.request":
            self._at_start = False
            while message.get("more_body", False) and len(message.get("body", b"")) < len(BOM):
                begun = message.get("body", b"")
                message = await self._next()
                message["body"] = begun + message.get("body", b"")
            message["body"] = message.get("body", b"").removeprefix(BOM)
        return message

    async def _next(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise TooLarge(self._detail)
        return message
