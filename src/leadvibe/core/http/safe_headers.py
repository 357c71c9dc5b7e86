"""Response headers that keep secrets out of caches, and responses from being taken for something else."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = tuple[tuple[bytes, bytes], ...]

ALWAYS: Final[Headers] = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
OVER_TLS: Final[Headers] = ((b"strict-transport-security", b"max-age=31536000"),)
DEFAULT: Final[Headers] = ((b"cache-control", b"no-store"),)
"""Most responses contain personal data, and some contain a secret."""


class SafeHeaders:
    """Adds the headers. A response's own `Cache-Control` stays."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), *ALWAYS]
                if all(name != b"cache-control" for name, _ in headers):
                    headers += DEFAULT
                # The scheme is known only now: the app finds out what the public address is.
                if scope.get("scheme") == "https":
                    headers += OVER_TLS
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_safely)
