"""The Prometheus metrics of all processes: counted here, served by any API process."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Set before this module is imported, it makes the processes that share the folder answer with one sum."""
UNMATCHED = "unmatched"
"""The route of a request that no route answers: its path would make a label of whatever a client types."""

disable_created_metrics()  # a series for every counter that says when its process began

EVENTS_INGESTED = Counter("events_ingested_total", "Events accepted")
EVENTS_PROCESSED = Counter("events_processed_total", "Events scored and saved")
EVENTS_FAILED = Counter("events_failed_total", "Events set aside because they could not be processed")
HTTP_REQUESTS = Counter("http_requests_total", "HTTP requests answered", ["method", "code", "route"])
SCORING_LATENCY = Histogram(
    "scoring_latency_seconds",
    "From an event's receipt until its score was saved",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
SLACK_LATENCY = Histogram(
    "event_to_slack_latency_seconds",
    "From an event's receipt until Slack took the message about it",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@cache
def _requests(method: str, code: int, route: str) -> Counter:
    return HTTP_REQUESTS.labels(method, str(code), route)


def count_request(method: str, code: int, route: str) -> None:
    """Count an answer under its route's template."""
    _requests(method if method in _METHODS else "other", code, route).inc()


_requests("GET", 200, "/metrics")  # a family of labelled counters shows nothing until one of them exists


@dataclass(frozen=True, slots=True)
class QueueState:
    """What waits in the whole server's inbox."""

    depth: float
    oldest_age: float
    """Seconds; 0 where nothing waits."""


class _Measured(Collector):
    """Gauges that are measured for one scrape, and so belong to no process."""

    def __init__(self, queue: QueueState) -> None:
        self.queue = queue

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("queue_depth", "Events accepted and not yet processed", self.queue.depth)
        yield GaugeMetricFamily(
            "queue_oldest_event_age_seconds", "How long the oldest of them has been waiting", self.queue.oldest_age
        )


def exposition(queue: QueueState) -> bytes:
    """Every metric in Prometheus's text format."""
    measured = CollectorRegistry()
    measured.register(_Measured(queue))
    counted = REGISTRY
    if os.environ.get(SHARED_FOLDER):
        counted = CollectorRegistry()
        MultiProcessCollector(counted)
    return generate_latest(counted) + generate_latest(measured)


def share_counts(folder: Path) -> None:
    """Before the first process starts: an empty folder for all of them to count in."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob("*.db"):
        leftover.unlink()
    os.environ[SHARED_FOLDER] = str(folder)
