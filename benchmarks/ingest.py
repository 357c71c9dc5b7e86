"""Ingest of single events, authenticated and durable, beside two other servers: `python -m benchmarks.ingest`.

Three servers run on the same uvicorn with one process each: ours, an echo that only decodes and responds, and a plain
FastAPI route that inserts and commits. They are measured in turns, so that other load on the machine affects all alike.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from statistics import median
from typing import Any, Final

from benchmarks import rivals
from benchmarks.servers import empty_database, server
from leadvibe.core.database.migrations import migrate
from leadvibe.core.database.transactions import close_database, open_database
from leadvibe.server.bootstrap import bootstrap

SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "5"))
UVICORN: Final = (
    *("--port", "{port}", "--loop", "uvloop", "--http", "httptools"),
    *("--ws", "none", "--no-access-log", "--log-level", "warning"),
)
NAMES: Final = {
    "ours": "POST /ingest",
    "echo": "bare Starlette + msgspec echo",
    "naive": "FastAPI + SQLAlchemy",
}
AIMS: Final = {"echo": 0.55, "naive": 4.0}


async def credential(url: str) -> str:
    """Migrate the database and create an OU. Returns the credential for Basic authentication."""
    await migrate(url)
    await rivals.make_table(url)
    open_database(url)
    created = await bootstrap(organization="Bench", unit="Bench", email="bench@example.com", password="a long password")
    await close_database()
    assert created is not None
    return base64.b64encode(f"{created.client_id}:{created.client_secret}".encode()).decode()


def requests(basic: str) -> str:
    """Page views of a thousand leads, as HTTP requests in JSON."""
    texts: list[str] = []
    for number in range(1000):
        metadata = {
            "channel": "web",
            "path": f"/pricing/{number}",
            "referrer": "https://example.com/",
            "seconds": number,
        }
        body = json.dumps({"event_type": "page_view", "lead_id": f"lead-{number}", "metadata": metadata})
        texts.append(
            f"POST /ingest HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {basic}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
    return json.dumps(texts)


def load(port: int, seconds: float, sent: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(seconds)]
    done = subprocess.run(command, input=sent, capture_output=True, text=True, check=True, timeout=seconds + 60)
    measured = json.loads(done.stdout)
    if measured["refused"]:
        raise SystemExit(f"requests were refused: {measured['refused']}")
    return measured


def run(url: str) -> None:
    sent = requests(asyncio.run(credential(url)))
    with ExitStack() as stack:
        ports = {
            "ours": stack.enter_context(server("leadvibe", "api", url=url)),
            "echo": stack.enter_context(server("uvicorn", "benchmarks.rivals:echo", "--factory", *UVICORN, url=url)),
            "naive": stack.enter_context(server("uvicorn", "benchmarks.rivals:naive", "--factory", *UVICORN, url=url)),
        }
        for port in ports.values():
            load(port, 1, sent)
        rounds = [{name: load(port, SECONDS, sent) for name, port in ports.items()} for _ in range(ROUNDS)]
    report(rounds)


def report(rounds: list[dict[str, dict[str, Any]]]) -> None:
    def middle(name: str, figure: str) -> float:
        return median(measured[name][figure] for measured in rounds)

    print(f"\nSingle-event ingest, authenticated and durable, 64 connections ({ROUNDS} rounds of {SECONDS:g} s each)")
    for name, what in NAMES.items():
        print(
            f"  {what:32} {middle(name, 'rate'):8,.0f} requests/s"
            f"   median {middle(name, 'median_ms'):6.2f} ms   99 % {middle(name, 'p99_ms'):6.2f} ms"
        )
    for name, aim in AIMS.items():
        ratio = median(measured["ours"]["rate"] / measured[name]["rate"] for measured in rounds)
        print(f"  ours / {name:25} {ratio:8.2f}   (aim: at least {aim:g})")


def main() -> None:
    with empty_database() as url:
        run(url)


if __name__ == "__main__":
    main()
