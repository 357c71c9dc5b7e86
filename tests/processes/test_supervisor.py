"""`leadvibe serve` runs all processes, and leaves none behind when it ends."""

import json
import signal
import socket
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from support.serving import Serving, eventually

pytestmark = pytest.mark.xdist_group("supervisor")  # a start takes seconds: share them


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Generator[Serving]:
    """A first start."""
    with Serving(tmp_path_factory.mktemp("first") / "data").until_ready() as serving:
        yield serving


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that had its first start."""
    folder = tmp_path_factory.mktemp("used") / "data"
    with Serving(folder).until_ready():
        pass
    return folder


def test_the_first_start_saves_its_secrets_and_a_log_shows_only_where(first: Serving) -> None:
    secrets = first.first_start()
    assert sorted(secrets) == ["client_id", "client_secret", "email", "org_id", "password", "unit_id", "url"]
    assert secrets["password"] not in first.output
    assert secrets["client_secret"] not in first.output
    assert f"are in {first.data_dir / 'first-start.json'}" in first.output
    assert secrets["url"] == first.url
    assert (first.data_dir / "first-start.json").stat().st_mode & 0o777 == 0o600


def test_its_curl_command_works(first: Serving) -> None:
    assert json.loads(first.curl())["message"] == "event ingested"


def test_an_event_is_scored(first: Serving) -> None:
    secrets = first.first_start()
    with httpx.Client(base_url=first.url, auth=(secrets["client_id"], secrets["client_secret"])) as client:
        assert client.post("/rules", json={"event_type": "visit", "weight": 7}).status_code == 201
        assert client.post("/ingest", json={"lead_id": "grace", "event_type": "visit"}).status_code == 202
        eventually(lambda: client.get("/score/grace").status_code == 200)
        assert client.get("/score/grace").json()["score"] == 7


def test_a_second_server_in_the_same_data_directory_is_refused(first: Serving) -> None:
    with Serving(first.data_dir) as second:
        assert second.gone()
        assert second.process.returncode == 1
        assert "Another LeadVibe server is already running in" in second.output


@pytest.mark.parametrize("name", ["api", "worker", "bin/postgres"])
def test_a_process_that_dies_is_restarted(first: Serving, name: str) -> None:
    died = first.child(name)
    assert died is not None
    died.kill()
    eventually(lambda: (born := first.child(name)) and born.pid != died.pid)
    eventually(first.is_ready)


def test_a_later_start_shows_no_secrets_and_its_curl_command_works(used: Path) -> None:
    with Serving(used).until_ready() as serving:
        secrets = serving.first_start()
        assert secrets["password"] not in serving.output
        assert secrets["client_secret"] not in serving.output
        assert json.loads(serving.curl())["message"] == "event ingested"


def test_after_ctrl_c_no_process_is_left(used: Path) -> None:
    with Serving(used).until_ready() as serving:
        assert len(serving.update_children()) > 3
        serving.process.send_signal(signal.SIGINT)
        assert serving.gone()
        assert serving.process.returncode == 0
        assert "Traceback" not in serving.output


def test_if_it_is_killed_its_children_end_and_the_next_start_works(used: Path) -> None:
    with Serving(used).until_ready() as serving:
        serving.process.kill()
        assert serving.gone()
    with Serving(used).until_ready() as serving:
        assert serving.is_ready()


def test_an_address_in_use_is_reported_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with Serving(tmp_path / "data", PORT=port) as serving:
            assert serving.gone()
            assert serving.process.returncode == 1
            assert serving.output.strip() == (
                f"leadvibe: Port {port} on 127.0.0.1 is in use by another program. Choose another port: PORT=…"
            )
    assert not (tmp_path / "data").exists()
