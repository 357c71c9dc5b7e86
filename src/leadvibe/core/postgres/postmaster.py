"""Finds, identifies and stops the embedded PostgreSQL, by its socket and its `postmaster.pid` file."""

import contextlib
import hashlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from leadvibe.core import shutdown
from leadvibe.core.command_error import CommandError
from leadvibe.core.postgres.service_account import ServiceAccount

PORT = 5432
"""Only part of the socket's name: the server doesn't listen on a network."""
MAX_SOCKET_PATH_BYTES = 107
STOP_SECONDS = 40.0
"""How long a server may take to stop: it writes a checkpoint."""


def socket_dir(cluster: Path, account: ServiceAccount) -> Path:
    """The socket's folder: the cluster, or a short private folder if the cluster's path is unsuitable."""
    if len(os.fsencode(_socket(cluster))) <= MAX_SOCKET_PATH_BYTES and not set(str(cluster)) & set(',:"'):
        return cluster
    digest = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]
    short = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"leadvibe-{account.uid}-{digest}"
    if len(os.fsencode(_socket(short))) > MAX_SOCKET_PATH_BYTES:
        raise CommandError(
            f"The paths {cluster} and {short} are too long for a Unix socket: at most {MAX_SOCKET_PATH_BYTES} bytes. "
            "Choose a shorter LEADVIBE_DATA_DIR."
        )
    if not short.exists():
        short.mkdir(mode=0o700)
        account.take_ownership(short)
    status = short.lstat()
    # In a world-writable parent, another user could have created the folder to intercept connections.
    if short.is_symlink() or status.st_uid != account.uid or status.st_mode & 0o077 or not account.can_enter(short):
        raise CommandError(f"The folder {short} for PostgreSQL's socket is not a private folder of user {account.uid}.")
    return short


def _socket(folder: Path) -> str:
    return f"{folder}/.s.PGSQL.{PORT}"


def url(socket_dir: Path) -> str:
    return f"postgresql://leadvibe@/leadvibe?host={quote(str(socket_dir))}&port={PORT}"


def pid_file_lines(cluster: Path) -> list[str]:
    """The lines of `postmaster.pid`: pid, folder, start time, port, socket folder, address, memory, status."""
    try:
        return [line.strip() for line in (cluster / "postmaster.pid").read_text().splitlines()]
    except (FileNotFoundError, PermissionError):
        return []


def serves(pid: int, cluster: Path) -> bool:
    """Whether the process is the server of this cluster, and not a later process with the same pid."""
    import psutil  # noqa: PLC0415 - a start that finds nothing doesn't need it

    try:
        process = psutil.Process(pid)
        return (
            process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == cluster and "postgres" in process.name()
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def wait_until_ready(process: subprocess.Popen[bytes], cluster: Path) -> bool:
    """Wait until the server accepts connections; False if it ended. After a crash this takes as long as recovery."""
    while process.poll() is None:
        if shutdown.has_begun():
            raise CommandError("the server is stopping")
        lines = pid_file_lines(cluster)
        if len(lines) == 8 and lines[0] == str(process.pid) and lines[7] == "ready":
            return True
        time.sleep(0.005)
    return False


def stop(process: subprocess.Popen[bytes], within_seconds: float) -> None:
    """Stop the server cleanly, or kill it within this time. The next start then recovers what was committed."""
    for number, share in ((signal.SIGINT, 0.75), (signal.SIGQUIT, 0.1)):
        if process.poll() is None:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(within_seconds * share)
    if process.poll() is None:
        kill(process.pid)
        process.wait()


def kill(pid: int) -> None:
    """Kill a server and its child processes, which outlive it if they are stopped."""
    import psutil  # noqa: PLC0415 - rarely needed

    with contextlib.suppress(psutil.NoSuchProcess):
        server = psutil.Process(pid)
        if server.status() == psutil.STATUS_ZOMBIE:
            return
        server.suspend()  # it must not start more children
        for process in (*server.children(recursive=True), server):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def stop_leftover(cluster: Path) -> None:
    """Stop a server that outlived its supervisor, and remove a stale `postmaster.pid`, as pids are reused."""
    if not (lines := pid_file_lines(cluster)):
        return
    pid = int(lines[0])
    for end, timeout_seconds in ((_interrupt, STOP_SECONDS), (kill, 10)):
        deadline = time.monotonic() + timeout_seconds
        while serves(pid, cluster) and time.monotonic() < deadline:
            end(pid)
            time.sleep(0.02)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _interrupt(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
