"""Real input: the events of 13,087 loan applications, rules for them, and the expected score of each lead.

The expected scores are computed from the CSV by plain addition, without any code of the program.
"""

import csv
import gzip
import io
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import itemgetter
from pathlib import Path

import pytest

FILE = Path(__file__).parents[3] / "shared" / "data" / "loan_events.csv.gz"
COLUMNS = ("lead_id", "event_type", "timestamp", "metadata")

Row = tuple[str, str, str, str]
Totals = dict[tuple[str, str], int]
"""By lead and ruleset name."""

WEIGHTS: dict[str, dict[str, int]] = {
    "Engagement": {
        "A_SUBMITTED": 5,
        "A_PREACCEPTED": 10,
        "A_ACCEPTED": 15,
        "O_SENT": 8,
        "O_SENT_BACK": 12,
        "W_Completeren aanvraag": 1,
        "W_Nabellen offertes": -2,
        "A_DECLINED": -40,
        "A_CANCELLED": -25,
        "O_CANCELLED": -6,
    },
    "Closing": {
        "A_APPROVED": 50,
        "O_ACCEPTED": 30,
        "O_SELECTED": 5,
        "W_Nabellen incomplete dossiers": -3,
        "W_Beoordelen fraude": -100,
    },
}
"""Points by ruleset and event type. Many leads reach the floor of zero, and later rise again."""

needed = pytest.mark.skipif(not FILE.exists(), reason="the file of loan events is missing")


def rows(leads: int | None = None) -> list[Row]:
    """The events in the order of the file: all of them, or those of the first `leads` leads."""
    with gzip.open(FILE, "rt", newline="") as file:
        found = [(r["lead_id"], r["event_type"], r["timestamp"], r["metadata"]) for r in csv.DictReader(file)]
    if leads is None:
        return found
    chosen = set(islice(dict.fromkeys(row[0] for row in found), leads))
    return [row for row in found if row[0] in chosen]


def made_up(leads: int) -> list[Row]:
    """Similar events, for use without the file."""
    chance = random.Random(1)
    types = [event_type for weights in WEIGHTS.values() for event_type in weights]
    start = datetime(2025, 1, 1, tzinfo=UTC)
    found = [
        (f"made-up-{lead}", chance.choice(types), start + timedelta(seconds=chance.randrange(10_000)))
        for lead in range(leads)
        for _ in range(20)
    ]
    return [(lead_id, kind, at.isoformat(), "{}") for lead_id, kind, at in sorted(found, key=itemgetter(2))]


def shuffled(found: Sequence[Row], seed: int = 1) -> list[Row]:
    result = list(found)
    random.Random(seed).shuffle(result)
    return result


def as_csv(found: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(found)
    return text.getvalue().encode()


def totals(found: Sequence[Row]) -> Totals:
    """The expected score of each lead: events in order of time, then type; never below zero."""
    histories: dict[str, list[tuple[datetime, bytes]]] = defaultdict(list)
    for lead_id, event_type, timestamp, _ in found:
        histories[lead_id].append((datetime.fromisoformat(timestamp).astimezone(UTC), event_type.encode()))
    result: Totals = {}
    for lead_id, events in histories.items():
        events.sort()
        for ruleset, weights in WEIGHTS.items():
            score = 0
            for _, event_type in events:
                score = max(0, score + weights.get(event_type.decode(), 0))
            result[lead_id, ruleset] = score
    return {key: score for key, score in result.items() if score}
