"""The embedded PostgreSQL: a durable server in the data directory that listens on a Unix socket only."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from pathlib import Path

from leadvibe.core import shutdown
from leadvibe.core.child_processes import dies_with_parent
from leadvibe.core.command_error import CommandError
from leadvibe.core.postgres import postmaster
from leadvibe.core.postgres.binaries import binaries_folder
from leadvibe.core.postgres.service_account import path_for_server, service_account

VERSION = "18"
MAX_LOG_BYTES = 10_000_000
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}

DURABLE: Mapping[str, str] = {
    "checkpoint_timeout": "15min",
    "jit": "off",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # clients get the errors of their statements; no need to log them too
    "max_connections": "100",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "shared_buffers": "256MB",
    "timezone": "UTC",
}
DISPOSABLE: Mapping[str, str] = DURABLE | {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""For tests only: survives the end of a process, but not a power failure."""


class Server:
    """A running PostgreSQL that ends with this process."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str]) -> None:
        self._cluster = data_dir / "postgres"
        self._log = data_dir / "postgres.log"
        self._settings = settings
        self._lock = lock(data_dir)
        try:
            self._account = service_account(data_dir)
            if self._log.exists() and self._log.stat().st_size > MAX_LOG_BYTES:
                self._log.unlink()
            self._binaries = binaries_folder(self._account)
            postmaster.stop_leftover(self._cluster)
            if not self._cluster.exists():
                self._create()
            self._socket_dir = postmaster.socket_dir(self._cluster, self._account)
            self._process = self._launch()
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def url(self) -> str:
        return postmaster.url(self._socket_dir)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the server process has ended."""
        return self._process.poll() is not None

    def restart(self) -> None:
        """Start the server again at the same address, after it ended by itself."""
        self._process.wait()
        postmaster.stop_leftover(self._cluster)
        self._process = self._launch()

    def stop(self) -> None:
        """Stop the server cleanly: open transactions are rolled back, committed ones are on disk.

        If the process is ending, the server is killed before the deadline.
        """
        if self._lock < 0:
            return
        postmaster.stop(self._process, shutdown.remaining_seconds(postmaster.STOP_SECONDS))
        if self._socket_dir != self._cluster:
            self._socket_dir.rmdir()
        os.close(self._lock)
        self._lock = -1

    def kill(self) -> None:
        """Kill the server, without waiting for it."""
        postmaster.kill(self._process.pid)

    def _create(self) -> None:
        """Create the cluster under a temporary name and rename it, so that an incomplete one is never used."""
        temporary = self._cluster.with_name("postgres.new")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(mode=0o700)
        self._account.take_ownership(temporary)
        path = path_for_server(temporary, self._account)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run(temporary, "initdb", "-D", path, "-U", "leadvibe", "--auth=trust", *locale)
        self._run(temporary, "postgres", "--single", "-D", path, "postgres", sql="CREATE DATABASE leadvibe\n")
        temporary.rename(self._cluster)

    def _run(self, folder: Path, program: str, *arguments: str, sql: str = "") -> None:
        result = subprocess.run(  # noqa: S603 - no user input
            [self._binaries / program, *arguments],
            cwd=folder,
            env=ENVIRONMENT,
            user=self._account.user,
            group=self._account.group,
            extra_groups=self._account.extra_groups,
            input=sql,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise CommandError(f"PostgreSQL's {program} failed:\n{result.stdout.strip()[-2000:]}")

    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the server and return when it accepts connections."""
        deadline = time.monotonic() + 10
        while True:
            log_size = self._log.stat().st_size if self._log.exists() else 0
            process = self._spawn()
            try:
                if postmaster.wait_until_ready(process, self._cluster):
                    return process
            except BaseException:
                postmaster.stop(process, shutdown.remaining_seconds(postmaster.STOP_SECONDS))
                raise
            new_log = self._log.read_bytes()[log_size:].decode(errors="replace")
            # The child processes of a killed server hold its shared memory until they notice, a moment later.
            if "pre-existing shared memory block" not in new_log or time.monotonic() > deadline:
                raise CommandError(f"PostgreSQL did not start. {self._log} says:\n{new_log.strip()}")
            time.sleep(0.05)

    def _spawn(self) -> subprocess.Popen[bytes]:
        path = path_for_server(self._cluster, self._account)
        socket_dir = path if self._socket_dir == self._cluster else str(self._socket_dir)
        options = {**self._settings, "listen_addresses": "", "unix_socket_directories": f'"{socket_dir}"'}
        command = [str(self._binaries / "postgres"), "-D", path, "-p", str(postmaster.PORT)]
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - no user input
                [*command, *(part for name, value in options.items() for part in ("-c", f"{name}={value}"))],
                cwd=self._cluster,
                env=ENVIRONMENT,
                user=self._account.user,
                group=self._account.group,
                extra_groups=self._account.extra_groups,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the supervisor only, which stops PostgreSQL last
                preexec_fn=dies_with_parent(signal.SIGINT),  # noqa: PLW1509 - it only makes two system calls
            )


def start(data_dir: Path, settings: Mapping[str, str] = DURABLE) -> Server:
    """Start the server of this data directory; creates both if they don't exist."""
    data_dir = data_dir.resolve()
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"The data directory {data_dir} can't be created: {error.strerror}.") from error
    _check_access(data_dir)
    return Server(data_dir, settings)


def find(data_dir: Path) -> str | None:
    """The URL of the server that another process runs in this data directory; None if there is none."""
    cluster = data_dir.resolve() / "postgres"
    lines = postmaster.pid_file_lines(cluster)
    if len(lines) < 8 or lines[7] != "ready" or not postmaster.serves(int(lines[0]), cluster):
        return None
    return postmaster.url(cluster if lines[4] == "/proc/self/cwd" else Path(lines[4]))


@contextlib.contextmanager
def attached(data_dir: Path) -> Generator[str]:
    """The URL of the running server, or of one that is started for the block."""
    if running := find(data_dir):
        yield running
        return
    server = start(data_dir)
    with shutdown.at_last(server.kill):
        try:
            yield server.url
        finally:
            server.stop()


def lock(data_dir: Path) -> int:
    """Lock the data directory for this process; the kernel releases the lock when the process ends in any way."""
    descriptor = os.open(data_dir, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise CommandError(
            f"Another LeadVibe server is already running in {data_dir}. Stop it, or choose another LEADVIBE_DATA_DIR."
        ) from None
    return descriptor


def _check_access(data_dir: Path) -> None:
    cluster = data_dir / "postgres"
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise CommandError(
            f"The current user can't write to the data directory {data_dir}. Choose another LEADVIBE_DATA_DIR."
        )
    if not cluster.exists():
        return
    if os.geteuid() not in (0, owner := cluster.stat().st_uid):
        raise CommandError(
            f"{cluster} belongs to user {owner}. Start as that user, or choose another LEADVIBE_DATA_DIR."
        )
    if (version := (cluster / "PG_VERSION").read_text().strip()) != VERSION:
        raise CommandError(
            f"{cluster} was created by PostgreSQL {version}; this is version {VERSION}. Migrate the data with pg_dump."
        )
