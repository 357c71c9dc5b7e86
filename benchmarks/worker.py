"""Events per second of one worker, beside the same writes without the engine: `python -m benchmarks.worker`."""

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any, Final

import uvloop

from benchmarks import loans
from benchmarks.servers import empty_database
from benchmarks.unit import add_full_configuration, add_twelve_rules, empty_unit
from leadvibe.core.database.transactions import close_database, open_database, raw, transaction
from leadvibe.core.interpreter_tuning import shorten_switch_interval, tune_garbage_collection
from leadvibe.core.scope import Scope
from leadvibe.pipeline import batch
from leadvibe.pipeline.consumer import consume_batch
from leadvibe.pipeline.save import Writes, save
from leadvibe.server.worker import CONCURRENT_BATCHES

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "60000"))

CREATE_LEADS: Final = """
INSERT INTO leads (unit_id, lead_id) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
"""
TRUNCATE: Final = "TRUNCATE leads, aliases, events, score_entries, surge_events, lead_scores, event_types CASCADE"


async def fill(rows: Sequence[loans.Row]) -> None:
    async with transaction(None) as session:
        columns = ("route", "event_id", "unit_id", "body")
        await (await raw(session)).copy_records_to_table("inbox", records=rows, columns=columns)


async def score(rows: Sequence[loans.Row]) -> tuple[float, list[Writes]]:
    """The seconds that one worker takes, and its writes."""
    written: list[Writes] = []

    async def remember(connection: Any, writes: Writes) -> None:
        written.append(writes)
        await save(connection, writes)

    batch.save = remember
    await fill(rows)
    began = time.perf_counter()
    await asyncio.gather(*(consume_all() for _ in range(CONCURRENT_BATCHES)))
    return time.perf_counter() - began, written


async def consume_all() -> None:
    while await consume_batch():
        pass


async def only_write(batches: Sequence[Writes]) -> float:
    """The seconds that writing the same rows takes, with as many connections."""
    async with transaction(None) as session:
        await (await raw(session)).execute(TRUNCATE)
    waiting = iter(batches)
    began = time.perf_counter()

    async def write() -> None:
        for writes in waiting:
            async with transaction(None) as session:
                connection = await raw(session)
                keys = [row[:2] for row in sorted(writes.leads)]
                await connection.execute(CREATE_LEADS, [unit for unit, _ in keys], [lead for _, lead in keys])
                await save(connection, writes)

    await asyncio.gather(*(write() for _ in range(CONCURRENT_BATCHES)))
    return time.perf_counter() - began


async def measure(url: str) -> None:
    open_database(url)
    scope = await empty_unit(url)
    await add_twelve_rules(scope)
    tune_garbage_collection()
    shorten_switch_interval()
    await compare(scope, "a dozen rules", aim=8_000)
    await add_full_configuration(scope)
    await compare(scope, "2 rulesets of 12 rules, surge, 2 decays, 2 filters", aim=6_000)
    await close_database()


async def compare(scope: Scope, what: str, *, aim: int) -> None:
    rows = loans.inbox_rows(scope.unit_id, EVENTS)
    warm_up, rest = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    await score(warm_up)
    seconds, written = await score(rest)
    bare = await only_write(written)
    print(f"\nOne worker, {what}: {len(rest):,} events")
    print(f"  scored and saved                 {len(rest) / seconds:8,.0f} events/s   (aim: at least {aim:,})")
    print(f"  the same writes, no engine       {len(rest) / bare:8,.0f} events/s")
    print(f"  ratio                            {bare / seconds:8.2f}              (aim: at least 0.5)")


def main() -> None:
    with empty_database() as url:
        uvloop.run(measure(url))


if __name__ == "__main__":
    main()
