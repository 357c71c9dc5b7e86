"""How the embedded PostgreSQL is found, known and ended: its socket, and the note that it keeps about itself."""

import contextlib
import hashlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from leadvibe.core.command_error import CommandError
from leadvibe.core.postgres.account import ServiceAccount

PORT = 5432
"""Only a part of the socket's name: the server listens on no network."""
LONGEST_SOCKET_PATH = 107


def socket_dir(cluster: Path, account: ServiceAccount) -> Path:
    """Beside the data; or, where that makes no good address, in a short private folder."""
    if len(os.fsencode(_socket(cluster))) <= LONGEST_SOCKET_PATH and not set(str(cluster)) & set(',:"'):
        return cluster
    known = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]
    short = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"leadvibe-{account.uid}-{known}"
    if len(os.fsencode(_socket(short))) > LONGEST_SOCKET_PATH:
        raise CommandError(
            f"A Unix socket's path may be {LONGEST_SOCKET_PATH} bytes long: too short for {cluster} and {short}. "
            "Choose a shorter LEADVIBE_DATA_DIR."
        )
    if not short.exists():
        short.mkdir(mode=0o700)
        account.own(short)
    about = short.lstat()
    # In a folder that all may write, anybody could have put it there to listen in.
    if short.is_symlink() or about.st_uid != account.uid or about.st_mode & 0o077 or not account.can_enter(short):
        raise CommandError(
            f"{short}, where PostgreSQL's socket would be, is not a private folder of user {account.uid}."
        )
    return short


def _socket(folder: Path) -> str:
    return f"{folder}/.s.PGSQL.{PORT}"


def url(socket_dir: Path) -> str:
    return f"postgresql://leadvibe@/leadvibe?host={quote(str(socket_dir))}&port={PORT}"


def notes(cluster: Path) -> list[str]:
    """PostgreSQL's note about itself: pid, folder, time, port, socket folder, address, memory, status."""
    try:
        return [line.strip() for line in (cluster / "postmaster.pid").read_text().splitlines()]
    except (FileNotFoundError, PermissionError):
        return []


def serves(pid: int, cluster: Path) -> bool:
    """Whether the process is the server of this cluster, and not one that was given its number later."""
    import psutil  # noqa: PLC0415 - a start that finds nothing doesn't need it

    try:
        process = psutil.Process(pid)
        return (
            process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == cluster and "postgres" in process.name()
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def wait_until_ready(process: subprocess.Popen[bytes], cluster: Path) -> bool:
    """False when it ended instead. After a crash, being ready takes as long as recovery does."""
    while process.poll() is None:
        said = notes(cluster)
        if len(said) == 8 and said[0] == str(process.pid) and said[7] == "ready":
            return True
        time.sleep(0.005)
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    for order, patience in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, None)):
        if process.poll() is None:
            process.send_signal(order)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)


def end_leftover(cluster: Path) -> None:
    """End a server that outlived its owner, and remove the note of one that is gone: its pid may be another's now."""
    if not (said := notes(cluster)):
        return
    pid = int(said[0])
    for order, patience in ((signal.SIGINT, 30), (signal.SIGKILL, 10)):
        deadline = time.monotonic() + patience
        while serves(pid, cluster) and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, order)
            time.sleep(0.02)
    (cluster / "postmaster.pid").unlink(missing_ok=True)
