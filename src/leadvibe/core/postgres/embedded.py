"""The embedded PostgreSQL: a server of our own under the data directory, durable, on a Unix socket only."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from pathlib import Path

from leadvibe.core.child_processes import dies_with_parent
from leadvibe.core.command_error import CommandError
from leadvibe.core.postgres import postmaster
from leadvibe.core.postgres.account import place, programs, service_account

VERSION = "18"
LONGEST_LOG = 10_000_000
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}

DURABLE: Mapping[str, str] = {
    "checkpoint_timeout": "15min",
    "jit": "off",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # statements that failed are reported to who sent them, and need no second place
    "max_connections": "100",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "shared_buffers": "256MB",
    "timezone": "UTC",
}
DISPOSABLE: Mapping[str, str] = DURABLE | {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""For tests only: a power cut may lose everything, the end of a process still nothing."""


class Server:
    """A running PostgreSQL that belongs to this process and ends with it."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str]) -> None:
        self._cluster = data_dir / "postgres"
        self._log = data_dir / "postgres.log"
        self._settings = settings
        self._hold = claim(data_dir)
        try:
            self._keeper = service_account(data_dir)
            if self._log.exists() and self._log.stat().st_size > LONGEST_LOG:
                self._log.unlink()
            self._programs = programs(self._keeper)
            postmaster.end_leftover(self._cluster)
            if not self._cluster.exists():
                self._create()
            self._socket_dir = postmaster.socket_dir(self._cluster, self._keeper)
            self._process = self._launch()
        except BaseException:
            os.close(self._hold)
            raise

    @property
    def url(self) -> str:
        return postmaster.url(self._socket_dir)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it ended, for whatever reason."""
        return self._process.poll() is not None

    def revive(self) -> None:
        """Start it again after it ended by itself, at the same address."""
        self._process.wait()
        postmaster.end_leftover(self._cluster)
        self._process = self._launch()

    def stop(self) -> None:
        """End it cleanly: open transactions are rolled back, everything committed is on disk."""
        if self._hold < 0:
            return
        postmaster.end(self._process)
        if self._socket_dir != self._cluster:
            self._socket_dir.rmdir()
        os.close(self._hold)
        self._hold = -1

    def _create(self) -> None:
        """Make the cluster beside its place and move it there whole, so that a half-made one is never used."""
        growing = self._cluster.with_name("postgres.new")
        shutil.rmtree(growing, ignore_errors=True)
        growing.mkdir(mode=0o700)
        self._keeper.own(growing)
        where = place(growing, self._keeper)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run(growing, "initdb", "-D", where, "-U", "leadvibe", "--auth=trust", *locale)
        self._run(growing, "postgres", "--single", "-D", where, "postgres", order="CREATE DATABASE leadvibe\n")
        growing.rename(self._cluster)

    def _run(self, folder: Path, program: str, *arguments: str, order: str = "") -> None:
        done = subprocess.run(  # noqa: S603 - our own programs, with arguments of our own
            [self._programs / program, *arguments],
            cwd=folder,
            env=ENVIRONMENT,
            user=self._keeper.user,
            group=self._keeper.group,
            extra_groups=self._keeper.extra_groups,
            input=order,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CommandError(f"PostgreSQL's {program} failed:\n{done.stdout.strip()[-2000:]}")

    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the server and return when it takes connections."""
        deadline = time.monotonic() + 10
        while True:
            before = self._log.stat().st_size if self._log.exists() else 0
            process = self._spawn()
            try:
                if postmaster.wait_until_ready(process, self._cluster):
                    return process
            except BaseException:
                postmaster.end(process)
                raise
            said = self._log.read_bytes()[before:].decode(errors="replace")
            # The processes of a server that was killed notice it within moments, and hold its memory until then.
            if "pre-existing shared memory block" not in said or time.monotonic() > deadline:
                raise CommandError(f"PostgreSQL did not start. {self._log} says:\n{said.strip()}")
            time.sleep(0.05)

    def _spawn(self) -> subprocess.Popen[bytes]:
        where = place(self._cluster, self._keeper)
        socket_dir = where if self._socket_dir == self._cluster else str(self._socket_dir)
        options = {**self._settings, "listen_addresses": "", "unix_socket_directories": f'"{socket_dir}"'}
        command = [str(self._programs / "postgres"), "-D", where, "-p", str(postmaster.PORT)]
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program, with arguments of our own
                [*command, *(part for name, value in options.items() for part in ("-c", f"{name}={value}"))],
                cwd=self._cluster,
                env=ENVIRONMENT,
                user=self._keeper.user,
                group=self._keeper.group,
                extra_groups=self._keeper.extra_groups,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the supervisor, which ends this last
                preexec_fn=dies_with_parent(signal.SIGINT),  # noqa: PLW1509 - it only makes two system calls
            )


def start(data_dir: Path, settings: Mapping[str, str] = DURABLE) -> Server:
    """Start the server of this data directory, making both when they don't exist."""
    data_dir = data_dir.resolve()
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise CommandError(f"The data directory {data_dir} can't be made: {failed.strerror}.") from failed
    _check(data_dir)
    return Server(data_dir, settings)


def find(data_dir: Path) -> str | None:
    """The address of the server that another process runs in this data directory."""
    cluster = data_dir.resolve() / "postgres"
    said = postmaster.notes(cluster)
    if len(said) < 8 or said[7] != "ready" or not postmaster.serves(int(said[0]), cluster):
        return None
    return postmaster.url(cluster if said[4] == "/proc/self/cwd" else Path(said[4]))


@contextlib.contextmanager
def attached(data_dir: Path) -> Generator[str]:
    """The address of the running server, or of one that runs as long as this lasts."""
    if running := find(data_dir):
        yield running
        return
    server = start(data_dir)
    try:
        yield server.url
    finally:
        server.stop()


def claim(data_dir: Path) -> int:
    """Hold the data directory for this process; the kernel lets go of it when the process ends, however it ends."""
    hold = os.open(data_dir, os.O_RDONLY)
    try:
        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(hold)
        raise CommandError(
            f"Another LeadVibe already runs in {data_dir}. Stop it, or choose another LEADVIBE_DATA_DIR."
        ) from None
    return hold


def _check(data_dir: Path) -> None:
    cluster = data_dir / "postgres"
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise CommandError(f"The data directory {data_dir} is not ours to write. Choose another LEADVIBE_DATA_DIR.")
    if not cluster.exists():
        return
    if os.geteuid() not in (0, owner := cluster.stat().st_uid):
        raise CommandError(
            f"{cluster} belongs to user {owner}: start as that user, or choose another LEADVIBE_DATA_DIR."
        )
    if (version := (cluster / "PG_VERSION").read_text().strip()) != VERSION:
        raise CommandError(
            f"{cluster} was made by PostgreSQL {version} and this is {VERSION}: move the data with pg_dump."
        )
