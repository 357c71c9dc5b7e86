"""Sends an OU's frames to a client for as long as the client may follow them."""

# sse-starlette leaves a parameter untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from time import monotonic
from typing import Final

import structlog
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.requests import HTTPConnection
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from leadvibe.config import settings
from leadvibe.core.http.problems import Problem
from leadvibe.core.logs import summary
from leadvibe.core.scope import Scope
from leadvibe.core.stream.broadcast import Broadcaster
from leadvibe.core.transient import is_transient
from leadvibe.stream.access import stream_scope

RECHECK_SECONDS: Final = 60.0
"""How often the client's access is checked again: tokens expire, credentials are revoked."""

SEND_TIMEOUT_SECONDS: Final = 60.0
"""How long a client may read nothing before it is disconnected."""

log = structlog.get_logger()


class EventStream(EventSourceResponse):
    """Sends texts until they end, or the client disconnects or stops reading. They include keep-alive comments."""

    def __init__(self, texts: AsyncGenerator[bytes]) -> None:
        super().__init__(texts, ping=0, send_timeout=SEND_TIMEOUT_SECONDS)

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        with suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)
            if self.active:  # the server stops and has interrupted the response
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def frame_number(last_event_id: str | None) -> int | None:
    """Parse `Last-Event-ID`; None if it is missing, -1 (which no frame has) if it is not one of our ids."""
    if not last_event_id:
        return None
    return int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19 else -1


async def texts(
    broadcaster: Broadcaster,
    scope: Scope,
    after: int | None,
    still_allowed: Callable[[], Awaitable[bool]],
    *,
    named: bool,
) -> AsyncGenerator[bytes]:
    checked_at = monotonic()
    keepalive = settings().stream_keepalive.total_seconds()
    async with aclosing(broadcaster.follow(scope.unit_id, after, keepalive)) as blocks:
        try:
            async for block in blocks:
                if monotonic() - checked_at >= RECHECK_SECONDS:
                    if not await still_allowed():
                        return
                    checked_at = monotonic()
                yield block.text(named=named)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("stream interrupted", reason=summary(error))  # the client reconnects by itself and resumes


async def may_still_follow(connection: HTTPConnection, unit_id: str | None, scope: Scope) -> bool:
    """Whether the request would be authorized again; True if the check fails for a transient reason."""
    try:
        return (await stream_scope(connection, unit_id)).unit_id == scope.unit_id
    except Problem as problem:
        return problem.status >= 500
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning("checking access to the stream failed", reason=summary(error))
        return True
