"""Real loan applications, in file order and in random order, compared with a plain addition over the CSV."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from leadvibe.server.worker import consume_inbox
from support import loans
from support.callers import Caller
from support.ledger import differences, fingerprint, stored_totals
from support.make import Make
from support.postgres import TestDatabase
from support.waiting import eventually

pytestmark = [loans.needed, pytest.mark.xdist_group("loans")]

LEADS = 600


@pytest.fixture(scope="module")
def rows() -> list[loans.Row]:
    return loans.rows(LEADS)


@asynccontextmanager
async def workers(number: int) -> AsyncGenerator[None]:
    """Run this many workers at once."""
    stop = asyncio.Event()
    working = [asyncio.create_task(consume_inbox(stop)) for _ in range(number)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*working)


async def import_and_score(client: Caller, database: TestDatabase, rows: list[loans.Row], *, by: int) -> None:
    response = await client.post("/import", files={"file": ("loans.csv", loans.as_csv(rows), "text/csv")})
    assert response.status_code == 202, response.text
    assert (response.json()["imported"], response.json()["errors"]) == (len(rows), 0)
    async with workers(by):
        await eventually(lambda: _is_empty(database), every=0.1)


async def _is_empty(database: TestDatabase) -> bool:
    return not await database.fetchval("SELECT EXISTS (SELECT FROM inbox)")


async def test_every_total_equals_a_plain_addition(
    client: Caller, make: Make, database: TestDatabase, rows: list[loans.Row]
) -> None:
    await make.surge("off")
    await make.rules(loans.WEIGHTS)
    await import_and_score(client, database, rows, by=1)
    assert await stored_totals(database, client.unit_id) == loans.totals(rows)
    assert await differences(database) == []
    assert await database.fetchval("SELECT count(*) FROM events") == len(rows)


async def test_random_order_and_two_workers_give_the_same_totals_and_ledger(
    client: Caller, make: Make, database: TestDatabase, neighbour: Caller, rows: list[loans.Row]
) -> None:
    await make.surge("off")
    await make.rules(loans.WEIGHTS)
    await Make(neighbour).surge("off")
    await Make(neighbour).rules(loans.WEIGHTS)
    await import_and_score(neighbour, database, rows, by=1)
    await import_and_score(client, database, loans.shuffled(rows), by=2)
    assert await stored_totals(database, client.unit_id) == loans.totals(rows)
    assert await differences(database) == []
    assert await fingerprint(database, client.unit_id) == await fingerprint(database, neighbour.unit_id)
