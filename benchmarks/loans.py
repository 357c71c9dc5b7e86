"""Events for benchmarks: real loan applications from shared/data if present, otherwise generated ones like them."""

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from leadvibe.core.ids import new_uuid
from leadvibe.core.instants import micros, parse_instant
from leadvibe.ingest.inbox import AcceptedEvent, encode, route_of

FILE = Path(__file__).parents[2] / "shared" / "data" / "loan_events.csv.gz"

TYPES = (
    "A_SUBMITTED",
    "A_PARTLYSUBMITTED",
    "W_Completeren aanvraag",
    "W_Nabellen offertes",
    "W_Nabellen incomplete dossiers",
    "A_DECLINED",
    "O_SENT",
    "A_ACCEPTED",
    "O_CANCELLED",
    "A_CANCELLED",
    "O_ACCEPTED",
    "A_APPROVED",
)
"""Twelve event types, with a rule for each."""

Row = tuple[int, object, str, bytes]
"""A row of the inbox: route, event id, OU, body."""


def events(limit: int) -> Iterator[AcceptedEvent]:
    """At most `limit` events, in order of time."""
    if not FILE.exists():
        yield from generated(limit)
        return
    with gzip.open(FILE, "rt", newline="") as file:
        for _, row in zip(range(limit), csv.DictReader(file), strict=False):
            metadata = json.dumps(json.loads(row["metadata"]), sort_keys=True, separators=(",", ":"))
            instant = micros(parse_instant(row["timestamp"]))
            yield AcceptedEvent(row["event_type"], row["lead_id"], [], instant, metadata.encode(), None, None)


def generated(limit: int) -> Iterator[AcceptedEvent]:
    random, at = Random(1), datetime(2025, 1, 1, tzinfo=UTC)
    for number in range(limit):
        at += timedelta(seconds=random.random() * 100)
        lead = f"loan-{random.randrange(max(1, number // 20 + 1))}"
        metadata = b'{"amount":%d,"lifecycle":"COMPLETE","resource":"112"}' % random.randrange(50_000)
        yield AcceptedEvent(random.choice(TYPES), lead, [], micros(at), metadata, None, None)


def inbox_rows(unit_id: str, limit: int) -> list[Row]:
    return [(route_of(unit_id, event), new_uuid(), unit_id, encode(event)) for event in events(limit)]
