"""Events per second of a simulation: `python -m benchmarks.simulate`."""

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import Final

import uvloop
from msgspec.structs import replace

from benchmarks import loans
from benchmarks.servers import empty_database
from benchmarks.unit import add_full_configuration, add_twelve_rules, empty_unit
from benchmarks.worker import consume_all, fill
from leadvibe.core.database.transactions import close_database, open_database
from leadvibe.core.ids import new_uuid
from leadvibe.core.instants import micros
from leadvibe.core.interpreter_tuning import shorten_switch_interval, tune_garbage_collection
from leadvibe.core.scope import Scope
from leadvibe.ingest.inbox import encode, route_of
from leadvibe.server.worker import CONCURRENT_BATCHES
from leadvibe.simulation.schemas import DraftRule, SimulationCreate
from leadvibe.simulation.service import simulate

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "60000"))
MIN_EVENTS_PER_SECOND: Final = 50_000
DRAFT: Final = SimulationCreate(
    days=365, rules=[DraftRule(event_type=event_type, weight=number) for number, event_type in enumerate(loans.TYPES)]
)


def recent_rows(scope: Scope) -> list[loans.Row]:
    """Inbox rows of the events, shifted in time so that the last one happens now."""
    events = list(loans.events(EVENTS))
    shift = micros(datetime.now(UTC)) - max(event.timestamp or 0 for event in events)
    moved = (replace(event, timestamp=(event.timestamp or 0) + shift) for event in events)
    return [(route_of(scope.unit_id, event), new_uuid(), scope.unit_id, encode(event)) for event in moved]


async def measure(url: str) -> None:
    open_database(url)
    scope = await empty_unit(url)
    await add_twelve_rules(scope)
    rows = recent_rows(scope)
    await fill(rows)
    await asyncio.gather(*(consume_all() for _ in range(CONCURRENT_BATCHES)))
    tune_garbage_collection()
    shorten_switch_interval()
    print(f"\nA draft of a dozen rules over {len(rows):,} events   (aim: at least {MIN_EVENTS_PER_SECOND:,} events/s)")
    await report(scope, "a dozen rules and surge")
    await add_full_configuration(scope)
    await report(scope, "2 rulesets of 12 rules, surge, 2 decays, 2 filters")
    await close_database()


async def report(scope: Scope, what: str) -> None:
    began, on_processor = time.perf_counter(), time.process_time()
    events = (await simulate(scope, DRAFT)).events
    seconds, busy = time.perf_counter() - began, time.process_time() - on_processor
    print(f"  {what:52} {events / seconds:8,.0f} events/s; {events / busy:8,.0f} for each second of processor time")


def main() -> None:
    with empty_database() as url:
        uvloop.run(measure(url))


if __name__ == "__main__":
    main()
