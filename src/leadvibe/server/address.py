"""The address where the server listens, as a socket and as a URL."""

import asyncio
import errno
import socket

from leadvibe.config import Settings
from leadvibe.core.command_error import CommandError

BACKLOG = 2048
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. From now on, clients that connect wait instead of being refused."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} on {host} is in use by another program. Choose another port: PORT=…"
            ) from None
        raise CommandError(f"Can't listen on port {port} on {host}: {error.strerror}.") from None


def local_url(listening: socket.socket) -> str:
    """The URL for clients on this machine."""
    host, port = _host_and_port(listening)
    reachable = _LOOPBACK.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _host_and_port(listening: socket.socket) -> tuple[str, int]:
    host, port = listening.getsockname()[:2]
    return host, port


def public_url(settings: Settings, listening: socket.socket) -> str:
    return settings.public_url or local_url(listening)


async def is_ready(listening: socket.socket) -> bool:
    """Whether `/readyz` answers 200."""
    host, port = _host_and_port(listening)
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
