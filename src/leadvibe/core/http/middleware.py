"""What happens to every request: an id, a count, a log line, a limit to its body."""

import re
from secrets import token_hex
from time import perf_counter
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadvibe.core.http.problems import TooLarge, render
from leadvibe.core.metrics import UNMATCHED, count_request

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
QUIET = frozenset(
    {("POST", "/ingest"), ("POST", "/events"), ("GET", "/metrics"), ("GET", "/healthz"), ("GET", "/readyz")}
)
"""What is asked so often that a line for each would drown the others; failures are logged all the same."""

log = structlog.get_logger("leadvibe.http")


def header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


def request_id(scope: Scope) -> bytes:
    """The id the client (or a proxy before us) gave the request, or a new one."""
    given = header(scope, b"x-request-id")
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return b"req_" + token_hex(16).encode()


def route_template(scope: Scope) -> str:
    """The template of the route that took the request, like `/leads/{lead_id}`."""
    frameworks: dict[str, Any] = scope.get("fastapi", {})
    route = frameworks.get("effective_route_context") or scope.get("route")
    return getattr(route, "path_format", UNMATCHED)


class Answer:
    """What was answered to one request so far."""

    def __init__(self, identity: bytes, send: Send) -> None:
        self.code = 500
        self.complete = False
        self._header = (b"x-request-id", identity)
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.code = message["status"]
            message["headers"] = [*message.get("headers", ()), self._header]
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        await self._send(message)


class Observe:
    """Gives every request an id (`X-Request-ID`, and in every log line about it), counts it and logs it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = request_id(scope)
        started = perf_counter()
        answer = Answer(identity, send)
        structlog.contextvars.bind_contextvars(request_id=identity.decode())
        try:
            await self.app(scope, receive, answer.send)
        except Exception:
            # Starlette raises on what it has answered and we have logged.
            if not answer.complete:
                raise
        finally:
            method, route = scope["method"], route_template(scope)
            count_request(method, answer.code, route)
            if answer.code >= 500 or (method, route) not in QUIET:
                took = round((perf_counter() - started) * 1000, 1)
                log.info("request", method=method, path=scope["path"], code=answer.code, ms=took)


class LimitBody:
    """Answers 413 to a body that is too long, whether the client says so beforehand or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit
        self.detail = f"The request's body is longer than {limit:,} bytes."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = header(scope, b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > self.limit:
            await render(TooLarge(self.detail))(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                # FastAPI turns anything else that is raised while it reads the body into a 400.
                raise HTTPException(TooLarge.status, self.detail)
            return message

        await self.app(scope, limited, send)
