"""A history gives the same ledger in any order, with repeated events, and with one or two workers."""

import pytest

from leadvibe.pipeline import batch
from support import loans
from support.callers import Caller
from support.loan_imports import KeyedRow, configure, every_tenth_twice, ledger_of, shuffled, with_keys
from support.make import Make
from support.postgres import TestDatabase

pytestmark = [loans.needed, pytest.mark.xdist_group("loans")]

LEADS = 150


@pytest.fixture(scope="module")
def rows() -> list[KeyedRow]:
    return with_keys(loans.rows(LEADS))


async def test_order_repetition_and_the_number_of_workers_have_no_effect(
    client: Caller, neighbour: Caller, stranger: Caller, database: TestDatabase, rows: list[KeyedRow]
) -> None:
    for caller in (client, neighbour, stranger):
        await configure(Make(caller))
    in_order = await ledger_of(client, database, rows, imports=1, workers=1)
    in_any_order = shuffled(rows, seed=1)
    in_random_order = await ledger_of(neighbour, database, in_any_order, imports=2, workers=2)
    repeated = shuffled(every_tenth_twice(rows), seed=2)
    partly_twice = await ledger_of(stranger, database, repeated, imports=3, workers=2)

    assert in_order == in_random_order == partly_twice
    suppressed = "SELECT count(*) FROM events WHERE suppression_reason IS NOT NULL AND unit_id = $1"
    assert await database.fetchval(suppressed, client.unit_id) > 0
    boosted = "SELECT count(*) FROM score_entries WHERE multiplier > 1000 AND unit_id = $1"
    assert await database.fetchval(boosted, client.unit_id) > 0
    assert await database.fetchval("SELECT count(*) FROM events WHERE unit_id = $1", stranger.unit_id) == len(rows)


async def test_separate_claims_for_long_histories_have_no_effect(
    client: Caller, neighbour: Caller, database: TestDatabase, rows: list[KeyedRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "SLOW_REPLAY_FACTS", 10)
    for caller in (client, neighbour):
        await configure(Make(caller))
    some = rows[: len(rows) // 2]
    in_order = await ledger_of(client, database, some, imports=1, workers=1)
    assert await ledger_of(neighbour, database, shuffled(some, seed=3), imports=2, workers=2) == in_order
