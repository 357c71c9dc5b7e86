"""Starts `leadvibe serve` in a process of its own."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

TIMEOUT_SECONDS = 60.0


def eventually(check: Callable[[], Any], *, within: float = TIMEOUT_SECONDS) -> Any:
    """Call `check` until its result is true, and return the result; `within` is in seconds."""
    deadline = time.monotonic() + within
    while not (result := check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:.0f} s")
        time.sleep(0.02)
    return result


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class Serving:
    """A running `leadvibe serve`; at the end of the block it is stopped, and its children must have ended."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = data_dir.with_name(f"output-{self.port}.txt")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LEADVIBE_")},
            "LEADVIBE_DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            **settings,
        }
        self._start()

    def _start(self) -> None:
        with self._output.open("wb") as output:
            self.process = psutil.Popen(
                [sys.executable, "-m", "leadvibe", "serve"], env=self._environment, stdout=output, stderr=output
            )
        self._children: list[psutil.Process] = []

    def restart(self, number: signal.Signals) -> None:
        """End it by a signal, and start it again at the same address when all its processes have ended."""
        self.update_children()
        self.process.send_signal(number)
        assert self.gone(), f"{self.output}\nleft behind: {self._children}"
        self._start()
        self.until_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.update_children()
        if self.process.is_running():
            self.process.send_signal(signal.SIGTERM)
        alive = psutil.wait_procs([self.process, *self._children], timeout=30)[1]
        for process in alive:
            process.kill()
        assert not alive, f"left behind: {alive}"

    @property
    def output(self) -> str:
        return self._output.read_text()

    def update_children(self) -> list[psutil.Process]:
        """Its child processes, direct and indirect."""
        if self.process.is_running():
            self._children = self.process.children(recursive=True)
        return self._children

    def until_ready(self) -> Self:
        def ready_or_ended() -> bool:
            assert self.process.poll() is None, self.output
            return "LeadVibe is ready" in self.output

        eventually(ready_or_ended)
        self.update_children()
        return self

    def child(self, name: str) -> psutil.Process | None:
        """The running child whose command line contains this name."""
        return next(iter(self.named_children(name)), None)

    def named_children(self, name: str) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for child in self.process.children():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if any(name in part for part in child.cmdline()):
                    found.append(child)
        return found

    def curl(self, number: int = 0) -> str:
        """Run one of the printed curl commands and return its output."""
        line = re.findall(r"^  (curl .*)$", self.output, re.MULTILINE)[number]
        return subprocess.run(
            shlex.split(line), env=self._environment, check=True, capture_output=True, text=True
        ).stdout

    def first_start(self) -> dict[str, Any]:
        return json.loads((self.data_dir / "first-start.json").read_text())

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def gone(self, within: float = 30) -> bool:
        """Whether it and all its children end within this many seconds."""
        alive = psutil.wait_procs([self.process, *self._children], timeout=within)[1]
        return not alive
