"""The same history is the same ledger: in file order, in none, in none and partly twice; by one worker and by two."""

import asyncio
import csv
import io
from collections.abc import Sequence
from random import Random

import pytest

from leadvibe.worker import empty_inbox
from support import loans
from support.callers import Caller
from support.ledger import differences, fingerprint
from support.make import Make
from support.postgres import TestDatabase
from support.waiting import eventually

pytestmark = [loans.needed, pytest.mark.xdist_group("loans")]

LEADS = 150

Keyed = tuple[str, str, str, str, str]


@pytest.fixture(scope="module")
def rows() -> list[Keyed]:
    """Every event with a key of its own."""
    return [(*row, f"key-{number}") for number, row in enumerate(loans.rows(LEADS))]


def every_tenth_twice(rows: Sequence[Keyed]) -> list[Keyed]:
    return [*rows, *rows[::10]]


def mixed(rows: Sequence[Keyed], seed: int) -> list[Keyed]:
    result = list(rows)
    Random(seed).shuffle(result)
    return result


def as_csv(rows: Sequence[Keyed]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([(*loans.COLUMNS, "idempotency_key"), *rows])
    return text.getvalue().encode()


async def configure(make: Make) -> None:
    """Standard surge, as every OU has it; a negative rule, a limited one, a velocity filter of each kind."""
    await make.rules({"Engagement": {"A_SUBMITTED": 5, "W_Completeren aanvraag": 3, "A_DECLINED": -40, "O_SENT": 8}})
    await make.rule("W_Nabellen offertes", 4, max_per_lead=3)
    await make.filter("W_Completeren aanvraag", count_threshold=2, time_window_ms=3_600_000)
    await make.filter("W_Nabellen offertes", count_threshold=2, time_window_ms=86_400_000, group_events=True)


async def ledger_of(
    caller: Caller, database: TestDatabase, rows: Sequence[Keyed], *, imports: int, workers: int
) -> str:
    """The ledger's fingerprint once everything is scored, while it still comes in."""
    await configure(Make(caller))
    stop = asyncio.Event()
    working = [asyncio.create_task(empty_inbox(stop)) for _ in range(workers)]
    for part in range(imports):
        file = ("loans.csv", as_csv(rows[part::imports]), "text/csv")
        (await caller.post("/import", files={"file": file})).raise_for_status()
    await eventually(lambda: _is_empty(database), every=0.1)
    stop.set()
    await asyncio.gather(*working)
    assert await differences(database) == []
    return await fingerprint(database, caller.unit_id)


async def _is_empty(database: TestDatabase) -> bool:
    return not await database.fetchval("SELECT EXISTS (SELECT FROM inbox)")


async def test_order_repetition_and_the_number_of_workers_change_nothing(
    client: Caller, neighbour: Caller, stranger: Caller, database: TestDatabase, rows: list[Keyed]
) -> None:
    in_order = await ledger_of(client, database, rows, imports=1, workers=1)
    shuffled = mixed(rows, seed=1)
    in_none = await ledger_of(neighbour, database, shuffled, imports=2, workers=2)
    repeated = mixed(every_tenth_twice(rows), seed=2)
    partly_twice = await ledger_of(stranger, database, repeated, imports=3, workers=2)

    assert in_order == in_none == partly_twice
    suppressed = "SELECT count(*) FROM events WHERE suppression_reason IS NOT NULL AND unit_id = $1"
    assert await database.fetchval(suppressed, client.unit_id) > 0
    boosted = "SELECT count(*) FROM score_entries WHERE multiplier > 1000 AND unit_id = $1"
    assert await database.fetchval(boosted, client.unit_id) > 0
    assert await database.fetchval("SELECT count(*) FROM events WHERE unit_id = $1", stranger.unit_id) == len(rows)
