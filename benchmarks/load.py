"""A lean load generator in a process of its own: `python -m benchmarks.load PORT SECONDS < requests`.

Each connection sends its next request as soon as it has the last response, until the time is up.
"""

import asyncio
import json
import sys
from itertools import cycle
from time import perf_counter
from typing import Final, cast

import uvloop

CONNECTIONS: Final = 64
LAST_RESPONSES_TIMEOUT: Final = 10
"""Seconds to wait for the last responses."""


class Run:
    """The results of all connections of a run."""

    def __init__(self, requests: list[bytes], until: float) -> None:
        self.next_request = cycle(requests).__next__
        self.until = until
        self.latencies: list[float] = []
        self.refused: dict[str, int] = {}


class Connection(asyncio.Protocol):
    def __init__(self, run: Run) -> None:
        self.run = run
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)
        self.send()

    def send(self) -> None:
        self.sent_at = perf_counter()
        if self.sent_at >= self.run.until:
            self.transport.close()
        else:
            self.transport.write(self.run.next_request())

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        self.run.latencies.append(perf_counter() - self.sent_at)
        status = head[9:12].decode()
        if status != "202":
            self.run.refused[status] = self.run.refused.get(status, 0) + 1
        self.received = b""
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def measure(port: int, seconds: float, requests: list[bytes]) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    started = perf_counter()
    run = Run(requests, started + seconds)
    pairs = [
        await loop.create_connection(lambda: Connection(run), "127.0.0.1", port)  # loopback, and nothing else
        for _ in range(CONNECTIONS)
    ]
    async with asyncio.timeout(seconds + LAST_RESPONSES_TIMEOUT):
        await asyncio.gather(*(connection.ended for _, connection in pairs))
    took = perf_counter() - started
    latencies = sorted(run.latencies)
    return {
        "rate": len(latencies) / took,
        "median_ms": 1000 * latencies[len(latencies) // 2],
        "p99_ms": 1000 * latencies[len(latencies) * 99 // 100],
        "refused": run.refused,
    }


def main() -> None:
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    requests = [request.encode() for request in json.load(sys.stdin)]
    print(json.dumps(uvloop.run(measure(port, seconds, requests))))


if __name__ == "__main__":
    main()
