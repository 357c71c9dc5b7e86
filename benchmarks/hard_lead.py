"""The delay of other leads' events beside a lead with a long history and events in random order.

`python -m benchmarks.hard_lead`. The delay is compared with the delay beside as many events of leads with short
histories, in the same run.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from random import Random
from statistics import quantiles
from typing import Final

import asyncpg
import uvloop
from sqlalchemy import select, text

from benchmarks import loans
from benchmarks.rescore import until_empty
from benchmarks.servers import empty_database
from benchmarks.unit import add_full_configuration, add_twelve_rules, empty_unit
from leadvibe.core.database.clock import database_now
from leadvibe.core.database.transactions import asyncpg_dsn, close_database, open_database, raw, transaction
from leadvibe.core.ids import new_uuid
from leadvibe.core.instants import micros
from leadvibe.core.interpreter_tuning import shorten_switch_interval, tune_garbage_collection
from leadvibe.core.scope import Scope
from leadvibe.engine import Standing, fold_until, order, reconcile
from leadvibe.ingest.inbox import AcceptedEvent, encode, route_of
from leadvibe.pipeline.load import load
from leadvibe.rulesets.plans import read_plans
from leadvibe.server.worker import consume_inbox
from leadvibe.units.models import OrgUnit

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "9000"))
EVENTS_PER_SECOND: Final = int(os.environ.get("BENCH_RATE", "60"))
"""The rate of the hard lead's events, and that of all other leads' events together."""
QUIET_SECONDS: Final = 20
DAY_MICROSECONDS: Final = 86_400_000_000
DAYS: Final = 540
HARD: Final = "hard"

LATENCIES: Final = text("""
SELECT extract(epoch FROM scored_at - received_at) * 1000 FROM events
WHERE unit_id = :unit_id AND lead_id LIKE :lead_id ORDER BY 1
""")
INSERT_EVENT: Final = "INSERT INTO inbox (route, event_id, unit_id, body) VALUES ($1, $2, $3, $4)"


async def send(connection: asyncpg.Connection, unit_id: str, events: Sequence[AcceptedEvent]) -> None:
    """Send one event after the other at a steady rate."""
    began = time.monotonic()
    for number, event in enumerate(events, start=1):
        await connection.execute(INSERT_EVENT, route_of(unit_id, event), new_uuid(), unit_id, encode(event))
        await asyncio.sleep(max(0.0, began + number / EVENTS_PER_SECOND - time.monotonic()))


def easy_events(name: str, number: int) -> list[AcceptedEvent]:
    """Events of many leads, each lead's in order."""
    kinds = [event.event_type for event in loans.events(1_000)]
    return [
        AcceptedEvent(kinds[n % len(kinds)], f"{name}-{n % 997}", [], None, b"{}", None, None) for n in range(number)
    ]


def hard_events(now: int) -> list[AcceptedEvent]:
    """Events of one lead in random order."""
    random = Random(1)
    kinds = [event.event_type for event in loans.events(1_000)]
    instants = [now - random.randrange(DAYS * DAY_MICROSECONDS) for _ in range(EVENTS)]
    return [AcceptedEvent(random.choice(kinds), HARD, [], at, b'{"amount":20000}', None, None) for at in instants]


async def score_beside_easy_events(url: str, scope: Scope, name: str, events: Sequence[AcceptedEvent]) -> float:
    """Send these beside easy events at the same rate. Returns the seconds until all are scored."""
    began = time.perf_counter()
    connections = [await asyncpg.connect(asyncpg_dsn(url)) for _ in range(2)]
    sent = (events, easy_events(name, len(events)))
    await asyncio.gather(*(send(c, scope.unit_id, part) for c, part in zip(connections, sent, strict=True)))
    await until_empty()
    for connection in connections:
        await connection.close()
    return time.perf_counter() - began


async def p99(scope: Scope, name: str) -> float:
    """The 99th percentile of the milliseconds from an event's receipt to its score."""
    async with transaction(scope) as session:
        rows = await session.execute(LATENCIES, {"unit_id": scope.unit_id, "lead_id": f"{name}-%"})
        return quantiles([float(row[0]) for row in rows], n=100)[98]


async def is_exact(scope: Scope) -> bool:
    """Whether the ledger equals that of one fold over all events in order."""
    key = scope.unit_id, HARD
    async with transaction(scope) as session:
        version = await session.scalar(select(OrgUnit.config_version).where(OrgUnit.unit_id == scope.unit_id))
        plans = (await read_plans(session, scope.unit_id, version or 0)).plans
        history = (await load(await raw(session), [key], plans.metadata_types))[key]
        until = micros(await database_now(session))
    outcome = fold_until(plans, Standing(), sorted(history.facts, key=order), until)
    superseded, missing = reconcile(history.entries, outcome.entries)
    verdicts = {verdict.event_id: (verdict.suppression_reason, verdict.session_id) for verdict in outcome.verdicts}
    return len(history.facts) == EVENTS and not superseded and not missing and verdicts == history.verdicts


async def measure(url: str) -> None:
    open_database(url)
    scope = await empty_unit(url)
    await add_twelve_rules(scope)
    await add_full_configuration(scope)
    tune_garbage_collection()
    shorten_switch_interval()
    stop = asyncio.Event()
    working = asyncio.create_task(consume_inbox(stop))
    await score_beside_easy_events(url, scope, "quiet", easy_events("easy", EVENTS_PER_SECOND * QUIET_SECONDS))
    async with transaction(None) as session:
        now = micros(await database_now(session))
    seconds = await score_beside_easy_events(url, scope, "meanwhile", hard_events(now))
    stop.set()
    await working
    quiet, meanwhile, exact = await p99(scope, "quiet"), await p99(scope, "meanwhile"), await is_exact(scope)
    await close_database()
    print(f"\n{EVENTS:,} events of one lead over {DAYS} days in random order, and as many events of other leads")
    print(f"  sent                             {2 * EVENTS_PER_SECOND:8,} events/s")
    print(f"  scored                           {2 * EVENTS / seconds:8,.0f} events/s")
    print(f"  other leads, event to score, 99 %{quiet:8.1f} ms beside as many events of easy leads")
    print(f"                                   {meanwhile:8.1f} ms beside the hard lead")
    print(f"  ratio                            {meanwhile / quiet:8.2f}            (aim: at most 2)")
    print(f"  the hard lead's ledger is {'exact' if exact else 'WRONG'}")


def main() -> None:
    with empty_database() as url:
        uvloop.run(measure(url))


if __name__ == "__main__":
    main()
