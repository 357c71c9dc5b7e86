"""The HTTP server of the API process."""

from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from leadvibe.config import settings
from leadvibe.core import shutdown
from leadvibe.core.database.transactions import terminate_connections
from leadvibe.server.http_protocol import BoundedHttpProtocol


class HttpServer(uvicorn.Server):
    """uvicorn, whose end has a deadline."""

    def __init__(self, app: ASGIApp) -> None:
        self._timeout_seconds = settings().shutdown_timeout.total_seconds()
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # it would trust 127.0.0.1; LEADVIBE_TRUSTED_PROXIES names the proxies
        )
        # Requests get a third of the time, so that the buffer can be flushed before connections are terminated.
        config.timeout_graceful_shutdown = self._timeout_seconds / 3  # pyright: ignore[reportAttributeAccessIssue]
        super().__init__(config)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        shutdown.start(self._timeout_seconds, terminate_connections)
        super().handle_exit(sig, frame)
