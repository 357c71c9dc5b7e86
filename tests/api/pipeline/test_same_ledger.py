"""The same history is the same ledger: in file order, in none, in none and partly twice; by one worker and by two."""

import pytest

from leadvibe.pipeline import batch
from support import loans
from support.arrivals import Keyed, configure, every_tenth_twice, keyed, ledger_of, mixed
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

pytestmark = [loans.needed, pytest.mark.xdist_group("loans")]

LEADS = 150


@pytest.fixture(scope="module")
def rows() -> list[Keyed]:
    return keyed(loans.rows(LEADS))


async def test_order_repetition_and_the_number_of_workers_change_nothing(
    client: Caller, neighbour: Caller, stranger: Caller, database: TestDatabase, rows: list[Keyed]
) -> None:
    for caller in (client, neighbour, stranger):
        await configure(Make(caller))
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


async def test_it_is_so_where_long_histories_are_kept_apart(
    client: Caller, neighbour: Caller, database: TestDatabase, rows: list[Keyed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "SLOW_REPLAY_FACTS", 10)
    for caller in (client, neighbour):
        await configure(Make(caller))
    some = rows[: len(rows) // 2]
    in_order = await ledger_of(client, database, some, imports=1, workers=1)
    assert await ledger_of(neighbour, database, mixed(some, seed=3), imports=2, workers=2) == in_order
