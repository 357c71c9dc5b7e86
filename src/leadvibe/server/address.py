"""Where the server listens, and how clients write that."""

import asyncio
import errno
import socket

from leadvibe.config import Settings
from leadvibe.core.command_error import CommandError

BACKLOG = 2048
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


def listen(host: str, port: int) -> socket.socket:
    """A listening socket: from here on clients wait for the first answer instead of being refused."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as failed:
        if failed.errno == errno.EADDRINUSE:
            raise CommandError(f"Port {port} of {host} is in use by another program. Choose another: PORT=…") from None
        raise CommandError(f"Can't listen on port {port} of {host}: {failed.strerror}.") from None


def local_url(listening: socket.socket) -> str:
    """The address for clients on this machine."""
    host, port = _where(listening)
    reachable = _LOOPBACK.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _where(listening: socket.socket) -> tuple[str, int]:
    host, port = listening.getsockname()[:2]
    return host, port


def public_url(settings: Settings, listening: socket.socket) -> str:
    return settings.public_url or local_url(listening)


async def is_ready(listening: socket.socket) -> bool:
    """Whether `/readyz` answers 200 there."""
    host, port = _where(listening)
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(_LOOPBACK.get(host, host), port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = await reader.readline()
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
    return status.split()[1:2] == [b"200"]
