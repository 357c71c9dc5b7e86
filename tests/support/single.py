"""Starts `leadvibe api` and `leadvibe worker` in processes of their own, on a PostgreSQL of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from leadvibe.core.postgres import embedded
from support.serving import eventually, free_port


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith("LEADVIBE_")}, **settings}


class OwnDatabase:
    """A migrated database with its first organization, on a PostgreSQL of its own that a test may stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self._server = embedded.start(folder / "server", embedded.DISPOSABLE)
        self.url = self._server.url
        self.process = psutil.Process(self._server.pid)
        command = [sys.executable, "-m", "leadvibe", "migrate", "--first-start"]
        subprocess.run(command, env=environment(self.settings), check=True, capture_output=True)

    @property
    def settings(self) -> dict[str, str]:
        return {"LEADVIBE_DATABASE_URL": self.url, "LEADVIBE_DATA_DIR": str(self.data_dir)}

    @property
    def credential(self) -> tuple[str, str]:
        first: dict[str, Any] = json.loads((self.data_dir / "first-start.json").read_text())
        return first["client_id"], first["client_secret"]

    def run(self, name: str, **settings: str) -> "Single":
        """Start an API or a worker on this database."""
        return Single(name, self.folder, {**self.settings, **settings}).until_ready()

    def stop(self) -> None:
        self._server.stop()


@contextmanager
def own_database(folder: Path) -> Generator[OwnDatabase]:
    database = OwnDatabase(folder)
    try:
        yield database
    finally:
        database.stop()


class Single:
    """A running `leadvibe api` or `leadvibe worker`; at the end of the block it is killed if it still runs."""

    def __init__(self, name: str, folder: Path, settings: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = folder / f"{name}-{self.port}.txt"
        with self._output.open("wb") as output:
            self.process = psutil.Popen(
                [sys.executable, "-m", "leadvibe", name],
                env=environment({"PORT": str(self.port), "LEADVIBE_LOG_JSON": "true", **settings}),
                stdout=output,
                stderr=output,
            )
        self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def output(self) -> str:
        return self._output.read_text()

    def until_ready(self) -> Self:
        eventually(lambda: self._has_started() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output
        return self

    def _has_started(self) -> bool:
        if self._name == "worker":
            return "worker started" in self.output
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, within: float) -> bool:
        """Send SIGTERM; whether it ends within this many seconds."""
        self.process.send_signal(signal.SIGTERM)
        return not psutil.wait_procs([self.process], timeout=within)[1]
