"""Probes and ingest answer soon and truthfully while PostgreSQL or the workers stand still."""

import shutil
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from support.disks import can_mount, small_disk
from support.freezing import frozen
from support.serving import Serving, eventually
from support.single import OwnDatabase, own_database

pytestmark = pytest.mark.xdist_group("readiness")  # a start takes seconds: share them

PROBE_SECONDS = 2.0
FLUSH_SECONDS = 3.0
EVENT = {"lead_id": "ada", "event_type": "visit", "idempotency_key": "once"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Generator[OwnDatabase]:
    with own_database(tmp_path_factory.mktemp("own")) as own:
        yield own


@pytest.fixture(scope="module")
def client(database: OwnDatabase) -> Generator[httpx.Client]:
    with (
        database.run("worker"),
        database.run("api", LEADVIBE_INGEST_FLUSH_TIMEOUT=f"PT{FLUSH_SECONDS}S") as api,
        httpx.Client(base_url=api.url, auth=database.credential, timeout=30) as own,
    ):
        yield own


def reason(client: httpx.Client) -> str:
    """Why the server isn't ready; nothing if it is."""
    answer = client.get("/readyz")
    return "" if answer.status_code == 200 else answer.json()["detail"]


def test_probes_answer_at_once_while_the_database_stands_still(client: httpx.Client, database: OwnDatabase) -> None:
    assert reason(client) == ""
    with frozen(database.process):
        for _ in range(3):
            assert client.get("/healthz", timeout=PROBE_SECONDS).status_code == 200
            answer = client.get("/readyz", timeout=PROBE_SECONDS)
            assert (answer.status_code, answer.json()["detail"]) == (503, "The database doesn't answer.")
    eventually(lambda: reason(client) == "")


@pytest.mark.parametrize("kind", ["event", "batch", "batch with a key"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "not known"])
def test_ingest_answers_in_time_while_the_database_stands_still_and_counts_once(
    client: httpx.Client, database: OwnDatabase, kind: str, known: bool
) -> None:
    lead_id = f"{kind}-{known}".replace(" ", "-")
    event = {**EVENT, "lead_id": lead_id, "idempotency_key": lead_id}
    path, sent = ("/ingest", event) if kind == "event" else ("/ingest/batch", [event])
    headers = {"Idempotency-Key": lead_id} if "key" in kind else {}
    if "key" in kind:
        del event["idempotency_key"]
    if known:  # the credential is remembered for a moment
        client.post("/ingest", json={"lead_id": "other", "event_type": "visit"}).raise_for_status()
    else:
        client.post("/secrets", json={"name": "forget the others"})
    with frozen(database.process):
        began = time.monotonic()
        answer = client.post(path, json=sent, headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert time.monotonic() - began < FLUSH_SECONDS + PROBE_SECONDS
    eventually(lambda: client.post(path, json=sent, headers=headers).status_code == 202)
    eventually(lambda: client.get(f"/events/{lead_id}").status_code == 200)
    assert len(client.get(f"/events/{lead_id}").json()) == 1


def test_many_requests_wait_for_one_flush_only(client: httpx.Client, database: OwnDatabase) -> None:
    """Those that come while a flush stands still are refused with it."""
    import asyncio

    async def send_all() -> list[int]:
        async with httpx.AsyncClient(base_url=client.base_url, auth=database.credential, timeout=30) as own:
            answers = await asyncio.gather(*(own.post("/ingest", json={**EVENT, "lead_id": "l"}) for _ in range(40)))
        return [answer.status_code for answer in answers]

    client.post("/ingest", json={"lead_id": "other", "event_type": "visit"}).raise_for_status()
    with frozen(database.process):
        began = time.monotonic()
        assert set(asyncio.run(send_all())) == {503}
        assert time.monotonic() - began < FLUSH_SECONDS + PROBE_SECONDS
    eventually(lambda: reason(client) == "")


@pytest.mark.skipif(not can_mount(), reason="no file system can be mounted here")
def test_a_full_disk_of_the_data_directory_is_reported(database: OwnDatabase, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", megabytes=64) as disk:
        data = disk / "data"
        shutil.copytree(database.data_dir, data)
        with database.run("api", LEADVIBE_DATA_DIR=str(data)) as api, httpx.Client(base_url=api.url) as client:
            filler = disk / "filler"
            filler.write_bytes(bytes(40 * 2**20))
            assert reason(client) == f"The disk of the data directory {data} is full."
            filler.unlink()
            assert reason(client) == ""


def test_hung_processes_are_reported_killed_and_restarted(tmp_path: Path) -> None:
    settings = {"LEADVIBE_WATCHDOG_TIMEOUT": "PT10S", "LEADVIBE_WORKER_STALL_TIMEOUT": "PT2S"}
    with Serving(tmp_path / "data", **settings).until_ready() as serving:
        first = serving.first_start()
        identity = (first["client_id"], first["client_secret"])
        with httpx.Client(base_url=serving.url, auth=identity, timeout=30) as client:
            worker, api = serving.child("worker"), serving.child("api")
            assert worker is not None
            assert api is not None
            with frozen(worker):
                client.post("/ingest", json=EVENT).raise_for_status()
                eventually(lambda: "The workers of this server don't read the inbox" in reason(client))
                eventually(lambda: not worker.is_running())
            eventually(lambda: reason(client) == "")
            eventually(lambda: client.get("/events/ada").status_code == 200)
            with frozen(api):
                eventually(lambda: not api.is_running())
            eventually(serving.is_ready)
            assert client.get("/events/ada").status_code == 200
        assert serving.output.count("process hangs and is killed") == 2
