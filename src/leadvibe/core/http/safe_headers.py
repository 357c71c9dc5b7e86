"""Response headers that keep secrets out of caches, and responses from being taken for something else."""

from collections.abc import Iterable
from typing import Final

from starlette.types import Scope

Headers = tuple[tuple[bytes, bytes], ...]

ALWAYS: Final[Headers] = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
OVER_TLS: Final[Headers] = ((b"strict-transport-security", b"max-age=31536000"),)
DEFAULT: Final[Headers] = ((b"cache-control", b"no-store"),)
"""Most responses contain personal data, and some contain a secret."""


def with_safe_headers(scope: Scope, sent: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of a response, with these added. A response's own `Cache-Control` stays."""
    headers = [*sent, *ALWAYS]
    if all(name != b"cache-control" for name, _ in headers):
        headers += DEFAULT
    # The scheme is known only when the response starts: the application finds out what the public address is.
    if scope.get("scheme") == "https":
        headers += OVER_TLS
    return headers
