"""Events per second of a rescore, and the delay of live scoring during it: `python -m benchmarks.rescore`."""

import asyncio
import os
import time
from statistics import quantiles
from typing import Final

import asyncpg
import uvloop
from sqlalchemy import text

from benchmarks import loans
from benchmarks.servers import empty_database
from benchmarks.unit import add_full_configuration, add_twelve_rules, empty_unit
from benchmarks.worker import fill
from leadvibe.core.database.transactions import asyncpg_dsn, close_database, open_database, transaction
from leadvibe.core.ids import new_uuid
from leadvibe.core.interpreter_tuning import shorten_switch_interval, tune_garbage_collection
from leadvibe.core.jobs.progress import start_job
from leadvibe.core.jobs.queue import run_jobs
from leadvibe.core.scope import Scope
from leadvibe.ingest.inbox import AcceptedEvent, encode, route_of
from leadvibe.rescoring.tasks import RescoreLeads
from leadvibe.server.worker import consume_inbox

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "60000"))
PROBES_PER_SECOND: Final = 50
PROBE_SECONDS: Final = 10

LATENCIES: Final = text("""
SELECT extract(epoch FROM scored_at - received_at) * 1000 FROM events
WHERE unit_id = :unit_id AND event_type = :probe ORDER BY 1
""")


async def vacuum(url: str) -> None:
    """Do what autovacuum does within a minute after such a load."""
    connection = await asyncpg.connect(asyncpg_dsn(url))
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def until_empty() -> None:
    while True:
        async with transaction(None) as session:
            if not await session.scalar(text("SELECT EXISTS (SELECT FROM inbox)")):
                return
        await asyncio.sleep(0.1)


async def probe(scope: Scope, name: str, stop: asyncio.Event) -> None:
    """Send events of existing leads at a steady rate until told to stop."""
    leads = [event.lead_id for event in loans.events(2_000)]
    number = 0
    while not stop.is_set():
        event = AcceptedEvent(name, leads[number % len(leads)], [], None, b"{}", None, None)
        await fill([(route_of(scope.unit_id, event), new_uuid(), scope.unit_id, encode(event))])
        number += 1
        await asyncio.sleep(1 / PROBES_PER_SECOND)


async def p99(scope: Scope, name: str) -> float:
    """The 99th percentile of the milliseconds from an event's receipt to its score."""
    async with transaction(scope) as session:
        latencies = [
            float(row[0]) for row in await session.execute(LATENCIES, {"unit_id": scope.unit_id, "probe": name})
        ]
    return quantiles(latencies, n=100)[98]


async def rescore(scope: Scope) -> float:
    """Rescore the whole OU. Returns the seconds that this took."""
    began = time.perf_counter()
    async with transaction(scope) as session:
        job = await start_job(session, scope, RescoreLeads())
    while True:
        async with transaction(scope) as session:
            query = text("SELECT status FROM jobs WHERE unit_id = :unit_id AND job_id = :job_id")
            status = await session.scalar(query, {"unit_id": scope.unit_id, "job_id": job.job_id})
        if status == "completed":
            return time.perf_counter() - began
        await asyncio.sleep(0.1)


async def probe_for(scope: Scope, name: str, seconds: float | None) -> float:
    """Probe for this long, or during a rescore if `seconds` is None. Returns the seconds."""
    stop = asyncio.Event()
    probing = asyncio.create_task(probe(scope, name, stop))
    if seconds is None:
        seconds = await rescore(scope)
    else:
        await asyncio.sleep(seconds)
    stop.set()
    await probing
    await until_empty()
    return seconds


async def measure(url: str) -> None:
    open_database(url)
    scope = await empty_unit(url)
    await add_twelve_rules(scope)
    tune_garbage_collection()
    shorten_switch_interval()
    stop = asyncio.Event()
    working = [asyncio.create_task(consume_inbox(stop)), asyncio.create_task(run_jobs(stop))]
    await fill(loans.inbox_rows(scope.unit_id, EVENTS))
    await until_empty()
    await vacuum(url)
    await add_full_configuration(scope)
    await probe_for(scope, "warm-up", 1)
    await probe_for(scope, "alone", PROBE_SECONDS)
    seconds = await probe_for(scope, "meanwhile", None)
    stop.set()
    await asyncio.gather(*working)
    alone, meanwhile = await p99(scope, "alone"), await p99(scope, "meanwhile")
    await close_database()
    print(f"\nA rescore of {EVENTS:,} events under a full configuration, in one worker with live scoring")
    print(f"  rescored                         {EVENTS / seconds:8,.0f} events/s   (aim: at least 10,000)")
    print(f"  event to score, 99 %, without    {alone:8.1f} ms")
    print(f"  event to score, 99 %, meanwhile  {meanwhile:8.1f} ms")
    print(f"  ratio                            {meanwhile / alone:8.2f}            (aim: at most 2)")


def main() -> None:
    with empty_database() as url:
        uvloop.run(measure(url))


if __name__ == "__main__":
    main()
