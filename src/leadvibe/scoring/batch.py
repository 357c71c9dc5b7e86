"""One transaction of the event road: claim, identify, lock, load, fold, save, frame."""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core import telemetry
from leadvibe.core.db import raw, transaction
from leadvibe.core.stream import Frame, append
from leadvibe.counts.keeping import Tally, keep
from leadvibe.rulesets.plans import UnitPlans, held_plans
from leadvibe.scoring.arrivals import Arrival, arrival_frame, arrivals, log, score_frames
from leadvibe.scoring.claim import Waiting, remove
from leadvibe.scoring.evolving import LeadState, evolve, recall, record, written_at
from leadvibe.scoring.identify import Identified, LeadKey, LockedLead, OwnedEvent, identify
from leadvibe.scoring.load import History, Origins, load_origins
from leadvibe.scoring.save import Writes, register_types, save

LATE_AT_ONCE: Final = 100
"""How many leads' histories are in memory together."""

LONG: Final = 1_000
"""Facts of a history whose replay whoever shares its transaction would feel."""

Claim = Callable[[asyncpg.Connection], Awaitable[list[Waiting]]]


@dataclass(slots=True)
class Batch:
    """What was claimed, kept by the caller: when the transaction fails, it knows which events to look at."""

    claimed: Sequence[Waiting] = ()
    long: set[int] = field(default_factory=set[int])
    """The routes of leads whose replays took long."""


async def work(claim: Claim, batch: Batch, redirects: Mapping[LeadKey, str]) -> None:
    """Process what `claim` takes: all of its effects, and its removal from the inbox, are one commit."""
    batch.claimed = ()
    batch.long.clear()
    async with transaction(None) as session:
        connection = await raw(session)
        batch.claimed = await claim(connection)
        if not batch.claimed:
            return
        identified = await identify(connection, batch.claimed, redirects)
        tasks = await _prepare(session, identified)
        now = cast("datetime", await connection.fetchval("SELECT clock_timestamp()"))
        await register_types(connection, {(t.state.lead.unit_id, a.fact.type) for t in tasks for a in t.arrived})
        frames: dict[str, list[Frame]] = {}
        for part in _parts(tasks):
            batch.long |= await _fold(connection, part, now, frames)
        await remove(connection, batch.claimed)
        await keep(connection, _tally(identified, tasks))
        # The last statements: who appends frames holds up everybody else in that OU until the commit.
        for unit_id in sorted(frames):
            await append(connection, unit_id, frames[unit_id])
    _measure(batch.claimed)


@dataclass(frozen=True, slots=True)
class _Task:
    """One lead's part of the batch."""

    state: LeadState
    arrived: list[Arrival]


@dataclass(frozen=True, slots=True)
class _Part:
    tasks: list[_Task]
    replayed: bool


async def _prepare(session: AsyncSession, identified: Identified) -> list[_Task]:
    plans = await held_plans(session, {unit_id for unit_id, _ in identified.events})
    origins = await load_origins(await raw(session), list(identified.events))
    return [
        _task(identified.leads[lead], plans[lead[0]], events, origins)
        for lead, events in sorted(identified.events.items())
    ]


def _task(lead: LockedLead, plans: UnitPlans, events: Sequence[OwnedEvent], origins: Origins) -> _Task:
    state = LeadState.of(lead, plans)
    return _Task(state, arrivals(state.key, events, plans.plans.newest, origins))


def _tally(identified: Identified, tasks: Iterable[_Task]) -> Tally:
    tally = Tally(leads=identified.new_leads)
    for task in tasks:
        for (waiting, _, _), fact in task.arrived:
            tally.processed(waiting.unit_id, fact.type, waiting.received_at)
    return tally


def _parts(tasks: Sequence[_Task]) -> Iterator[_Part]:
    """What is in order at once; what is late, and needs whole histories, a few leads at a time."""
    late = [task for task in tasks if not task.state.takes([arrival.fact for arrival in task.arrived])]
    behind = {task.state.key for task in late}
    yield _Part([task for task in tasks if task.state.key not in behind], replayed=False)
    for start in range(0, len(late), LATE_AT_ONCE):
        yield _Part(late[start : start + LATE_AT_ONCE], replayed=True)


async def _fold(connection: asyncpg.Connection, part: _Part, now: datetime, frames: dict[str, list[Frame]]) -> set[int]:
    """Add the frames of what happens; the routes whose leads' histories were long."""
    histories = await recall(connection, [task.state for task in part.tasks] if part.replayed else [])
    writes = Writes()
    for task in part.tasks:
        told = await _settle(task, histories.get(task.state.key), now, writes)
        frames.setdefault(task.state.lead.unit_id, []).extend(told)
    await save(connection, writes)
    long = (task for task in part.tasks if len(histories.get(task.state.key, History()).facts) >= LONG)
    return {arrival.owned.waiting.route for task in long for arrival in task.arrived}


async def _settle(task: _Task, history: History | None, now: datetime, writes: Writes) -> list[Frame]:
    evolution = await evolve(task.state, [arrival.fact for arrival in task.arrived], history, now)
    at = written_at(task.state.lead, now)
    record(task.state, evolution, history, at, writes, newest=task.arrived[-1].fact)
    log(task.state, task.arrived, evolution, at, writes)
    shown = (arrival.fact for arrival in task.arrived if arrival.fact.type not in task.state.plans.hidden)
    told = [arrival_frame(task.state.lead.lead_id, fact) for fact in shown]
    return [*told, *score_frames(task.state, evolution)]


def _measure(claimed: Sequence[Waiting]) -> None:
    now = time.time()
    telemetry.EVENTS_PROCESSED.inc(len(claimed))
    for waiting in claimed:
        telemetry.SCORING_LATENCY.observe(max(0.0, now - waiting.received_at.timestamp()))
