"""Every process ends soon after SIGTERM, also if its database stands still, and loses no acknowledged event."""

import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from leadvibe.core import shutdown
from support.freezing import alive, frozen, postmaster_of
from support.serving import Serving, eventually
from support.single import OwnDatabase, Single, own_database

pytestmark = pytest.mark.xdist_group("shutdown")  # a start takes seconds: share them

ENDS_WITHIN_SECONDS = 20.0
EVENTS = 20


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Generator[OwnDatabase]:
    with own_database(tmp_path_factory.mktemp("own")) as own:
        yield own


def send(url: str, credential: tuple[str, str], name: str) -> list[str]:
    """Send some events; returns their ids, which are acknowledged."""
    with httpx.Client(base_url=url, auth=credential, timeout=30) as client:
        answers = [
            client.post("/ingest", json={"lead_id": name, "event_type": "visit", "idempotency_key": f"{name}-{number}"})
            for number in range(EVENTS)
        ]
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json()["event_id"] for answer in answers]


def processed(url: str, credential: tuple[str, str], name: str) -> set[str]:
    with httpx.Client(base_url=url, auth=credential, timeout=30) as client:
        answer = client.get(f"/events/{name}", params={"limit": 500})
        return {event["event_id"] for event in answer.json()} if answer.status_code == 200 else set()


def begin_requests(url: str, credential: tuple[str, str]) -> None:
    """Send requests that wait for the database, and don't wait for their answers."""
    for method, path, body in [
        ("GET", "/leads", None),
        ("GET", "/readyz", None),
        ("POST", "/ingest", {"lead_id": "l", "event_type": "visit"}),
        ("POST", "/ingest/batch", [{"lead_id": "l", "event_type": "visit"}]),
    ]:
        with pytest.raises(httpx.ReadTimeout):
            httpx.request(method, url + path, json=body, auth=credential, timeout=0.5)


def test_an_api_whose_database_stands_still_ends(database: OwnDatabase) -> None:
    with (
        database.run("api") as api,
        httpx.Client(auth=database.credential) as client,
    ):
        acknowledged = set(send(api.url, database.credential, "at-the-api"))
        with client.stream("GET", f"{api.url}/stream", timeout=30) as stream:
            assert stream.status_code == 200
            with frozen(database.process):
                begin_requests(api.url, database.credential)
                assert api.stop(within=ENDS_WITHIN_SECONDS), api.output
    with (
        database.run("api") as api,
        database.run("worker"),
    ):
        eventually(lambda: processed(api.url, database.credential, "at-the-api") == acknowledged)


def test_a_worker_whose_database_stands_still_ends(database: OwnDatabase) -> None:
    with database.run("api") as api:
        with database.run("worker") as worker:
            acknowledged = set(send(api.url, database.credential, "at-the-worker"))
            with frozen(database.process):
                assert worker.stop(within=ENDS_WITHIN_SECONDS), worker.output
        with database.run("worker"):
            eventually(lambda: processed(api.url, database.credential, "at-the-worker") == acknowledged)


def test_a_server_whose_database_stands_still_ends_and_leaves_no_process(tmp_path: Path) -> None:
    with Serving(tmp_path / "data", LEADVIBE_WORKER_PROCESSES="2").until_ready() as serving:
        first = serving.first_start()
        credential = (first["client_id"], first["client_secret"])
        acknowledged = set(send(serving.url, credential, "ada"))
        with frozen(postmaster_of(serving.data_dir)) as stopped:
            begin_requests(serving.url, credential)
            everything = [serving.process, *serving.update_children(), *stopped]
            serving.process.send_signal(signal.SIGTERM)
            psutil.wait_procs([serving.process], timeout=ENDS_WITHIN_SECONDS)
            assert serving.process.poll() is not None, serving.output
            eventually(lambda: not alive(everything), within=2)
    with Serving(serving.data_dir).until_ready() as again:
        eventually(lambda: processed(again.url, credential, "ada") == acknowledged)
    for name in ("api", "worker"):
        _check_that_it_ends_with_its_own_database(name, serving.data_dir)


def _check_that_it_ends_with_its_own_database(name: str, data_dir: Path) -> None:
    """A process that runs alone starts the embedded PostgreSQL, and ends it."""
    settings = {"LEADVIBE_DATA_DIR": str(data_dir), "LEADVIBE_SHUTDOWN_TIMEOUT": "PT3S"}
    with Single(name, data_dir.parent, settings).until_ready() as single, frozen(postmaster_of(data_dir)) as stopped:
        assert len(stopped) > 1
        assert single.stop(within=ENDS_WITHIN_SECONDS), single.output
        eventually(lambda: not alive(stopped), within=2)


def test_a_server_whose_processes_all_stand_still_ends_and_leaves_none(tmp_path: Path) -> None:
    with Serving(tmp_path / "data", LEADVIBE_SHUTDOWN_TIMEOUT="PT3S").until_ready() as serving:
        everything = [serving.process, *serving.update_children()]
        with ExitStack() as stack:
            for child in serving.process.children():
                stack.enter_context(frozen(child))
            serving.process.send_signal(signal.SIGTERM)
            psutil.wait_procs([serving.process], timeout=ENDS_WITHIN_SECONDS)
            assert serving.process.poll() is not None, serving.output
            eventually(lambda: not alive(everything), within=2)


def test_a_server_ends_while_the_database_of_its_start_stands_still(database: OwnDatabase, tmp_path: Path) -> None:
    with frozen(database.process), Serving(tmp_path / "data", LEADVIBE_DATABASE_URL=database.url) as serving:
        eventually(lambda: _handles(serving.process, signal.SIGTERM))
        serving.process.send_signal(signal.SIGTERM)
        # Long before a connection attempt gives up.
        assert serving.gone(within=5), serving.output


@pytest.mark.parametrize(
    "work",
    [
        "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()",
        "import asyncio, time\nasync def block(): time.sleep(600)\nasyncio.run(block())",
        "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    ],
    ids=["in a thread", "in its event loop", "in the interpreter"],
)
def test_a_process_that_is_blocked_exits_at_its_deadline(work: str) -> None:
    script = f"from leadvibe.core import shutdown\nshutdown.start(0.5)\n{work}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == shutdown.EXIT_CODE
    assert "did not end in time" in done.stdout + done.stderr or "Timeout" in done.stderr


def _handles(process: psutil.Process, number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
