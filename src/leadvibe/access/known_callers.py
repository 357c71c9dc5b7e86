"""Reads a request's body only after its caller is known, and only short bodies from anonymous callers."""

from typing import Final

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadvibe.access.authentication.callers import caller_of
from leadvibe.core.http.middleware import LimitBody
from leadvibe.core.http.problems import Problem, Unavailable
from leadvibe.core.logs import summary
from leadvibe.core.scope import OrgScope
from leadvibe.core.transient import is_transient

SIGN_IN: Final = "/auth/login"
"""The only operation with a body and without a caller."""
MAX_SIGN_IN_BYTES: Final = 16 * 1024

log = structlog.get_logger()

_CALLER: Final = "leadvibe.caller"


async def caller_of_request(request: Request) -> OrgScope:
    """The caller of the request, authenticated once."""
    caller: OrgScope | None = request.scope.get(_CALLER)
    if caller is None:
        caller = request.scope[_CALLER] = await caller_of(request.headers.get("authorization"))
    return caller


class ReadBodiesOfKnownCallers:
    """Authenticates the caller before the framework reads the body: it reads bodies before it runs dependencies."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.sign_in = LimitBody(app, MAX_SIGN_IN_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == SIGN_IN:
            await self.sign_in(scope, receive, send)
        elif scope["method"] == "GET":  # without a body; /stream waits here for the client to disconnect
            await self.app(scope, receive, send)
        else:
            await self.app(scope, _BodyOfKnownCaller(scope, receive).receive, send)


class _BodyOfKnownCaller:
    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive

    async def receive(self) -> Message:
        try:
            await caller_of_request(Request(self._scope))
        except Problem:
            raise
        except Exception as error:
            # The framework would take any other error for a body that it can't read, and answer 400.
            if is_transient(error):
                log.warning("authentication failed for a transient reason", reason=summary(error))
                raise Unavailable from error
            log.exception("authentication failed")
            raise Problem from error
        return await self._receive()
