"""Imports the loan events in any order, some of them twice, in several files, with several workers."""

import asyncio
import csv
import io
from collections.abc import Sequence
from random import Random

from leadvibe.server.worker import consume_inbox
from support import loans
from support.callers import Caller
from support.ledger import differences, fingerprint
from support.make import Make
from support.postgres import TestDatabase
from support.waiting import eventually

KeyedRow = tuple[str, str, str, str, str]
"""An event with its idempotency key."""


def with_keys(rows: Sequence[loans.Row]) -> list[KeyedRow]:
    """The events, each with its own idempotency key."""
    return [(*row, f"key-{number}") for number, row in enumerate(rows)]


def every_tenth_twice(rows: Sequence[KeyedRow]) -> list[KeyedRow]:
    return [*rows, *rows[::10]]


def shuffled(rows: Sequence[KeyedRow], seed: int) -> list[KeyedRow]:
    result = list(rows)
    Random(seed).shuffle(result)
    return result


def as_csv(rows: Sequence[KeyedRow]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([(*loans.COLUMNS, "idempotency_key"), *rows])
    return text.getvalue().encode()


async def configure(make: Make) -> None:
    """The default surge policy, a negative rule, a rule with a limit, and a velocity filter of each kind."""
    await make.rules({"Engagement": {"A_SUBMITTED": 5, "W_Completeren aanvraag": 3, "A_DECLINED": -40, "O_SENT": 8}})
    await make.rule("W_Nabellen offertes", 4, max_per_lead=3)
    await make.filter("W_Completeren aanvraag", count_threshold=2, time_window_ms=3_600_000)
    await make.filter("W_Nabellen offertes", count_threshold=2, time_window_ms=86_400_000, group_events=True)


async def ledger_of(
    caller: Caller, database: TestDatabase, rows: Sequence[KeyedRow], *, imports: int, workers: int, within: float = 120
) -> str:
    """Import the rows while workers score them. Returns the fingerprint of the final ledger."""
    stop = asyncio.Event()
    working = [asyncio.create_task(consume_inbox(stop)) for _ in range(workers)]
    for part in range(imports):
        file = ("loans.csv", as_csv(rows[part::imports]), "text/csv")
        (await caller.post("/import", files={"file": file})).raise_for_status()
    await eventually(lambda: _is_empty(database), within=within, every=0.1)
    stop.set()
    await asyncio.gather(*working)
    assert await differences(database) == []
    return await fingerprint(database, caller.unit_id)


async def _is_empty(database: TestDatabase) -> bool:
    return not await database.fetchval("SELECT EXISTS (SELECT FROM inbox)")
