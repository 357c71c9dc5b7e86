"""Prometheus metrics: every process counts, any API process serves the sums."""

# prometheus_client's multiprocess module is untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import os
import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""If set before this module is imported, the processes that share the folder report one sum."""
WORKERS_SINCE = "LEADVIBE_WORKERS_SINCE"
"""Set by a supervisor that runs workers: when it started, in seconds since 1970."""
UNMATCHED = "unmatched"
"""The `route` label of requests without a route: their paths would create a label for whatever a client sends."""


class BatchHistogram(Histogram):
    """A histogram that takes the amounts of a whole batch at once. One by one takes longer than scoring the events."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """The same as `observe` for each amount."""
        numbers = [0] * len(self._buckets)
        for amount in amounts:
            numbers[bisect_left(self._upper_bounds, amount)] += 1
        self._sum.inc(sum(amounts))
        for bucket, number in zip(self._buckets, numbers, strict=True):
            if number:
                bucket.inc(number)


disable_created_metrics()  # they would add a series per counter with the process's start time

EVENTS_INGESTED = Counter("events_ingested_total", "Events accepted")
EVENTS_PROCESSED = Counter("events_processed_total", "Events scored and saved")
EVENTS_FAILED = Counter("events_failed_total", "Events that could not be processed and were moved to the failed events")
HTTP_REQUESTS = Counter("http_requests_total", "HTTP requests", ["method", "code", "route"])
SCORING_LATENCY = BatchHistogram(
    "scoring_latency_seconds",
    "Time from receiving an event to saving its score",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
SLACK_LATENCY = Histogram(
    "event_to_slack_latency_seconds",
    "Time from receiving an event to Slack accepting the message about it",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)

PROCESS_HEARTBEAT = Gauge(
    "process_heartbeat_timestamp_seconds",
    "When the event loop of a process last ran",
    multiprocess_mode="liveall",
)
EVENT_LOOP_LAG = Gauge(
    "event_loop_lag_seconds", "How late the slowest event loop ran its last timer", multiprocess_mode="livemax"
)
LAST_POLL = Gauge(
    "worker_last_poll_timestamp_seconds", "When a worker last read the inbox successfully", multiprocess_mode="max"
)
LAST_FLUSH = Gauge(
    "ingest_last_flush_timestamp_seconds", "When a flush was last committed to the inbox", multiprocess_mode="max"
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@cache
def _requests(method: str, code: int, route: str) -> Counter:
    return HTTP_REQUESTS.labels(method, str(code), route)


def count_request(method: str, code: int, route: str) -> None:
    """Count a response under its route's template, like `/leads/{lead_id}`."""
    _requests(method if method in _METHODS else "other", code, route).inc()


_requests("GET", 200, "/metrics")  # a counter with labels is not shown until one of its series exists


@dataclass(frozen=True, slots=True)
class QueueState:
    """The size of the server's inbox, over all OUs; NaN if unknown."""

    depth: float
    oldest_age_seconds: float
    """0 if the inbox is empty."""


class _QueueCollector(Collector):
    """Gauges that are measured once per scrape, so they don't belong to a process."""

    def __init__(self, queue: QueueState) -> None:
        self.queue = queue

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("queue_depth", "Events accepted and not yet processed", self.queue.depth)
        yield GaugeMetricFamily(
            "queue_oldest_event_age_seconds",
            "Age of the oldest event that is not yet processed",
            self.queue.oldest_age_seconds,
        )


def exposition(queue: QueueState) -> bytes:
    """All metrics in the Prometheus text format."""
    measured = CollectorRegistry()
    measured.register(_QueueCollector(queue))
    counted = REGISTRY
    if os.environ.get(SHARED_FOLDER):
        counted = CollectorRegistry()
        MultiProcessCollector(counted)
    return generate_latest(counted) + generate_latest(measured)


def share_metrics(folder: Path) -> None:
    """Let the processes started from now on share their metrics in this folder, which is emptied first."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.db"):
        stale.unlink()
    os.environ[SHARED_FOLDER] = str(folder)


def forget_process(pid: int) -> None:
    """Remove the heartbeat of a process that has ended."""
    mark_process_dead(pid)


def heartbeats() -> dict[int, float]:
    """The last heartbeat of each process that shares its metrics, by pid; 0 before its first."""
    return {int(sample.labels["pid"]): sample.value for sample in _shared("liveall", PROCESS_HEARTBEAT)}


def last_poll() -> float | None:
    """When a worker of this server last read the inbox successfully, or else was started; None if there is none."""
    if not os.environ.get(SHARED_FOLDER):
        return None
    started = float(os.environ.get(WORKERS_SINCE, "0"))
    return max([started, *(sample.value for sample in _shared("max", LAST_POLL))]) or None


def _shared(mode: str, gauge: Gauge) -> Iterator[Sample]:
    """The values of a gauge in all processes that share the folder."""
    name = next(iter(gauge.describe())).name
    for file in Path(os.environ[SHARED_FOLDER]).glob(f"gauge_{mode}_*.db"):
        with suppress(struct.error, OSError):  # the file is being created or removed
            for metric in MultiProcessCollector.merge([str(file)]):
                if metric.name == name:
                    yield from metric.samples
