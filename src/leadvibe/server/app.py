"""The ASGI application of the API process, and its lifespan."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from leadvibe.access.authentication import credential_cache
from leadvibe.access.known_callers import ReadBodiesOfKnownCallers
from leadvibe.access.sign_in.throttle import SignInThrottle
from leadvibe.config import settings
from leadvibe.core.database.listening import Listener, listening
from leadvibe.core.database.transactions import opened_database
from leadvibe.core.http import problems
from leadvibe.core.http.addresses import identified
from leadvibe.core.http.body_decoding import DecodeBodies
from leadvibe.core.http.methods_and_paths import NormalizeRequests
from leadvibe.core.http.middleware import LimitBody, ObserveRequests, SingleEvents
from leadvibe.core.http.raw_routes import RawRouter
from leadvibe.core.http.request_time import LimitTime
from leadvibe.core.stream.broadcast import Broadcaster
from leadvibe.core.stream.frames import CHANNEL
from leadvibe.core.watchdog import heartbeat
from leadvibe.ingest.buffer import close_buffer
from leadvibe.server import api
from leadvibe.server.openapi.document import describe
from leadvibe.server.openapi.operation_ids import unique_id
from leadvibe.stream.guard import StreamGuard, guarding

MAX_BODY_BYTES: Final = 10 * 1024 * 1024


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open what the process needs; it is closed in the reverse order."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            opened_database(
                settings().database_url,
                pool_size=settings().database_pool_size,
                reserved=settings().database_reserved_connections,
                transaction_limit=settings().request_timeout,
            )
        )
        app.state.broadcaster = Broadcaster()
        app.state.sign_in_throttle = SignInThrottle()
        app.state.stream_guard = guard = StreamGuard()
        stack.push_async_callback(app.state.broadcaster.close)
        listeners: dict[str, Listener] = {
            CHANNEL: app.state.broadcaster.notice,
            credential_cache.CHANNEL: lambda _: on_access_change(guard),
        }
        await stack.enter_async_context(guarding(guard))
        await stack.enter_async_context(listening(listeners))
        await stack.enter_async_context(heartbeat())
        stack.push_async_callback(close_buffer)
        yield


def on_access_change(guard: StreamGuard) -> None:
    credential_cache.credential_cache.clear()
    guard.recheck()


class LeadVibe(FastAPI):
    """FastAPI, with the raw routes in front of it; every request is observed and logged."""

    def __init__(self) -> None:
        super().__init__(
            title="LeadVibe API",
            version="1.0.0",
            lifespan=lifespan,
            openapi_url=None,
            generate_unique_id_function=unique_id,
            strict_content_type=False,
            redirect_slashes=False,
        )
        api.include_routers(self)
        problems.install(self)
        routes = RawRouter(api.RAW_ROUTES, LimitBody(ReadBodiesOfKnownCallers(super().__call__), MAX_BODY_BYTES))
        config = settings()
        served = identified(NormalizeRequests(DecodeBodies(routes)), config.public_url, config.trusted_proxies)
        timed = LimitTime(served, lambda: settings().request_timeout)
        self.entry_point = ObserveRequests(SingleEvents(api.RAW_ROUTES, timed), log_paths=config.log_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.entry_point(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The API's description."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(super().openapi(), self, api.RAW_ROUTES)
        return self.openapi_schema


def create_app() -> LeadVibe:
    return LeadVibe()
