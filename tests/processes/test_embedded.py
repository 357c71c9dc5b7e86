"""The embedded PostgreSQL: where it starts, when it ends, and that it keeps committed data."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from leadvibe.core.command_error import CommandError
from leadvibe.core.database.transactions import asyncpg_dsn
from leadvibe.core.postgres import binaries, embedded, postmaster, service_account
from leadvibe.core.postgres.service_account import ServiceAccount


def ask(url: str, *statements: str) -> Any:
    """The result of the last statement."""

    async def asked() -> Any:
        connection = await asyncpg.connect(asyncpg_dsn(url))
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(asked())


def is_over(pid: int) -> bool:
    """Whether the process has ended. A process that its parent hasn't waited for counts as ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def start() -> Any:
    """Start a server that is stopped when the test ends."""
    started: list[embedded.Server] = []

    def start(data_dir: Path, **settings: str) -> embedded.Server:
        started.append(embedded.start(data_dir, {**embedded.DURABLE, **settings}))
        return started[-1]

    yield start
    for server in started:
        server.stop()


Start = Callable[..., embedded.Server]


def test_committed_data_survives_a_restart(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path)
    ask(server.url, "CREATE TABLE t AS SELECT 7 AS seven")
    server.stop()
    assert ask(start(tmp_path).url, "SELECT seven FROM t") == 7


def test_the_server_is_durable_and_uses_utf8(tmp_path: Path, start: Start) -> None:
    url = start(tmp_path).url
    assert ask(url, "SHOW fsync") == "on"
    assert ask(url, "SHOW synchronous_commit") == "on"
    assert ask(url, "SHOW full_page_writes") == "on"
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SELECT lower('ÄΩ')") == "äω"
    assert ask(url, "SHOW timezone") == "UTC"


def test_the_server_has_no_network_port_and_a_private_folder(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path)
    assert ask(server.url, "SHOW listen_addresses") == ""
    assert psutil.Process(server.pid).net_connections("inet") == []
    assert (tmp_path / "postgres").stat().st_mode & 0o077 == 0


def test_another_process_finds_the_running_server(tmp_path: Path, start: Start) -> None:
    assert embedded.find(tmp_path) is None
    server = start(tmp_path)
    look = """
import sys
import tempfile
from pathlib import Path
from leadvibe.core.postgres import embedded
print(embedded.find(Path(sys.argv[1])))
"""
    found = subprocess.run([sys.executable, "-c", look, str(tmp_path)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == server.url
    server.stop()
    assert embedded.find(tmp_path) is None


def test_joining_uses_the_running_server_and_leaves_it_running(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path)
    with embedded.attached(tmp_path) as url:
        assert url == server.url
    assert ask(server.url, "SELECT 1") == 1


def test_joining_without_a_running_server_starts_one_until_it_ends(tmp_path: Path) -> None:
    with embedded.attached(tmp_path) as url:
        assert ask(url, "SELECT 1") == 1
    assert embedded.find(tmp_path) is None


def test_a_second_start_in_a_data_directory_is_refused_with_a_message(tmp_path: Path, start: Start) -> None:
    start(tmp_path)
    with pytest.raises(CommandError, match="Another LeadVibe server is already running in"):
        embedded.start(tmp_path)


def test_a_killed_server_restarts_at_the_same_address_with_all_committed_data(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path)
    ask(server.url, "CREATE TABLE t AS SELECT 7 AS seven")
    psutil.Process(server.pid).kill()
    server.restart()
    assert ask(server.url, "SELECT seven FROM t") == 7


def test_the_server_ends_with_a_process_that_is_killed_and_the_next_start_works(tmp_path: Path, start: Start) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from leadvibe.core.postgres import embedded
print(embedded.start(Path(sys.argv[1])).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL
    assert ask(start(tmp_path).url, "SELECT 1") == 1
    assert is_over(int(died.stdout))


def test_a_pid_file_of_another_process_neither_prevents_a_start_nor_ends_that_process(
    tmp_path: Path, start: Start
) -> None:
    start(tmp_path).stop()
    cluster = tmp_path / "postgres"
    (cluster / "postmaster.pid").write_text(f"{os.getppid()}\n{cluster}\n1\n5432\n{cluster}\n\n1 1\nready\n")
    assert ask(start(tmp_path).url, "SELECT 1") == 1


def test_an_interrupted_first_start_is_repeated(tmp_path: Path, start: Start) -> None:
    half_made = tmp_path / "postgres.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18")
    assert ask(start(tmp_path).url, "SELECT 1") == 1
    assert not half_made.exists()


def test_data_of_another_postgresql_version_is_refused_with_a_message(tmp_path: Path) -> None:
    cluster = tmp_path / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(CommandError, match="was created by PostgreSQL 16; this is version 18"):
        embedded.start(tmp_path)


def test_the_message_of_a_postgresql_that_does_not_start_is_shown(tmp_path: Path, start: Start) -> None:
    with pytest.raises(CommandError, match="invalid value for parameter"):
        start(tmp_path, shared_buffers="much")


def test_no_folder_is_opened_to_other_users(tmp_path: Path, start: Start) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    above = [closed, *closed.parents]
    before = [folder.stat().st_mode for folder in above]
    assert ask(start(closed / "data").url, "SELECT 1") == 1
    assert [folder.stat().st_mode for folder in above] == before


def test_a_start_that_would_open_a_folder_to_other_users_is_refused_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(sys, "platform", "darwin")  # without /proc nobody can be started behind a closed door
    with pytest.raises(CommandError, match=f"the user it runs as can't enter .*{tmp_path.parts[1]}"):
        service_account.path_for_server(closed / "data", ServiceAccount(uid=54321, gid=54321))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its rights")
def test_as_root_the_server_runs_as_the_owner_of_the_data(tmp_path: Path, start: Start) -> None:
    data = tmp_path / "data"
    data.mkdir()
    nobody = service_account._account("nobody")
    os.chown(data, nobody.uid, nobody.gid)
    server = start(data)
    assert psutil.Process(server.pid).uids().effective == nobody.uid
    assert (data / "postgres").stat().st_uid == nobody.uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its rights")
def test_as_root_with_data_owned_by_root_the_server_runs_as_a_service_account(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path)
    assert psutil.Process(server.pid).username() == service_account.SERVICE_USER


def test_a_copy_of_the_binaries_runs_on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "CACHE", tmp_path / "cache")
    copy = binaries.reachable_copy(binaries.installed())
    assert binaries.reachable_copy(binaries.installed()) == copy
    for program in ("initdb", "postgres"):
        said = subprocess.run([copy / binaries._BIN / program, "--version"], capture_output=True, text=True, check=True)
        assert "(PostgreSQL) 18" in said.stdout


def test_a_data_directory_with_a_long_path_gets_a_short_private_socket_directory(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path / ("deep" * 20))
    folder = server._socket_dir
    assert len(postmaster._socket(folder)) <= postmaster.MAX_SOCKET_PATH_BYTES
    assert folder.stat().st_mode & 0o077 == 0
    assert ask(server.url, "SELECT 1") == 1
    assert embedded.find(tmp_path / ("deep" * 20)) == server.url
    server.stop()
    assert not folder.exists()


def test_without_a_short_socket_directory_the_start_is_refused_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("deep" * 20)))
    with pytest.raises(CommandError, match="too long for a Unix socket: at most 107 bytes"):
        embedded.start(tmp_path / ("deep" * 20))


def test_a_socket_directory_that_others_can_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    account = ServiceAccount(os.geteuid(), os.getegid())
    deep = Path("/", "deep" * 30, "postgres")
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        postmaster.socket_dir(deep, account).chmod(0o755)
        with pytest.raises(CommandError, match="is not a private folder"):
            postmaster.socket_dir(deep, account)


def test_a_data_directory_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="can't be created: Not a directory"):
        embedded.start(tmp_path / "file" / "data")
