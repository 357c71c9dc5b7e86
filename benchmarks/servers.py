"""Databases and servers for benchmarks: databases as durable as in production, each server in its own process."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from leadvibe.core.postgres import embedded


@contextmanager
def empty_database() -> Generator[str]:
    """The database at `LEADVIBE_DATABASE_URL`, which must be empty; without it, a temporary embedded server."""
    if url := os.environ.get("LEADVIBE_DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="leadvibe-bench-") as folder:
        postgres = embedded.start(Path(folder))
        try:
            yield postgres.url
        finally:
            postgres.stop()


@contextmanager
def lasting_database() -> Generator[str]:
    """The database at `LEADVIBE_DATABASE_URL`; without it, an embedded server that keeps its data for later runs."""
    if url := os.environ.get("LEADVIBE_DATABASE_URL"):
        yield url
        return
    folder = Path(tempfile.gettempdir()) / "leadvibe-bench-data"
    folder.mkdir(exist_ok=True)
    postgres = embedded.start(folder)
    try:
        yield postgres.url
    finally:
        postgres.stop()


@contextmanager
def server(*command: str, url: str) -> Generator[int]:
    """Start a server and yield its port, which replaces `{port}` in the command; stop it at the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *(part.format(port=port) for part in command)],
        env={**os.environ, "LEADVIBE_DATABASE_URL": url, "LEADVIBE_PORT": str(port), "LEADVIBE_LOG_LEVEL": "WARNING"},
    )
    try:
        wait_until_reachable(port, process)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def wait_until_reachable(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise SystemExit("a server did not start")
