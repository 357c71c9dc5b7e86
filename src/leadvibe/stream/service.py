"""Sends an OU's frames to a client for as long as the client may follow them."""

# sse-starlette leaves a parameter untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

import structlog
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from leadvibe.config import settings
from leadvibe.core.logs import summary
from leadvibe.core.scope import Scope
from leadvibe.core.stream.broadcast import Broadcaster
from leadvibe.core.transient import is_transient
from leadvibe.stream.guard import StreamGuard

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
    broadcaster: Broadcaster, guard: StreamGuard, scope: Scope, after: int | None, *, named: bool
) -> AsyncGenerator[bytes]:
    keepalive = settings().stream_keepalive.total_seconds()
    with guard.watch(scope) as stream:
        async with aclosing(broadcaster.follow(scope.unit_id, after, keepalive, stream.follower)) as blocks:
            try:
                async for block in blocks:
                    if not stream.allowed:
                        return
                    yield block.text(named=named)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("stream interrupted", reason=summary(error))  # the client reconnects and resumes
