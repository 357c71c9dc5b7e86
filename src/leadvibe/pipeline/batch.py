"""One transaction of the event path: claim, identify, lock, load, fold, save, publish."""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core import metrics
from leadvibe.core.database.clock import database_now
from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.stream.frames import Frame, append
from leadvibe.counts.counters import CounterChanges, update_counters
from leadvibe.identity.identify import Identified, identify
from leadvibe.identity.locks import LeadKey, LockedLead, Redirects
from leadvibe.ingest.claim import ClaimedEvent, remove
from leadvibe.pipeline.frames import new_event_frame, score_frames, surge_frames
from leadvibe.pipeline.incoming import IncomingEvent, NewEvent, add_event_rows, new_events
from leadvibe.pipeline.load import History, Origins, load_origins
from leadvibe.pipeline.project import LeadState, load_histories, next_ledger_time, project, record_projection
from leadvibe.pipeline.save import EventTypeRow, Writes, register_types, save
from leadvibe.rulesets.plans import UnitPlans, lock_plans

MAX_REPLAYED_LEADS: Final = 100
"""The most leads whose histories are in memory at once."""

SLOW_REPLAY_FACTS: Final = 1_000
"""A replay of at least this many facts delays every other event of its transaction noticeably."""

Claim = Callable[[asyncpg.Connection], Awaitable[list[ClaimedEvent]]]


@dataclass(slots=True)
class Batch:
    """The claimed events. The caller keeps them, to retry them one by one if the transaction fails."""

    claimed: Sequence[ClaimedEvent] = ()
    slow_routes: set[int] = field(default_factory=set[int])
    """The routes of leads whose replay was slow."""


async def process_batch(claim: Claim, batch: Batch, redirects: Redirects) -> None:
    """Process the events that `claim` returns. One commit saves their effects and removes them from the inbox."""
    batch.claimed = ()
    batch.slow_routes.clear()
    async with transaction(None) as session:
        connection = await raw(session)
        batch.claimed = await claim(connection)
        if not batch.claimed:
            return
        incoming = [IncomingEvent(claimed, claimed.decode()) for claimed in batch.claimed]
        identified = await identify(connection, [event.unresolved for event in incoming], redirects)
        tasks = await _prepare(session, incoming, identified)
        now = await database_now(session)
        changes = _counter_changes(identified, tasks)
        await register_types(connection, map(EventTypeRow._make, changes.events))
        frames: dict[str, list[Frame]] = {}
        for part in _parts(tasks):
            batch.slow_routes |= await _fold(connection, part, now, frames)
        await remove(connection, batch.claimed)
        await update_counters(connection, changes)
        # The last statements: appending frames blocks other writers of that OU until the commit.
        for unit_id in sorted(frames):
            await append(connection, unit_id, frames[unit_id])
    _measure(batch.claimed)


@dataclass(frozen=True, slots=True)
class _LeadTask:
    """One lead's part of the batch."""

    state: LeadState
    events: list[NewEvent]

    @property
    def unit_id(self) -> str:
        return self.state.lead.unit_id


@dataclass(frozen=True, slots=True)
class _Part:
    tasks: list[_LeadTask]
    replayed: bool


async def _prepare(session: AsyncSession, incoming: Sequence[IncomingEvent], identified: Identified) -> list[_LeadTask]:
    by_lead: dict[LeadKey, list[tuple[IncomingEvent, str | None]]] = {}
    for event in incoming:
        identity = identified.identities.get(event.claimed.event_id)
        if identity is not None:
            lead = event.claimed.unit_id, identity.lead_id
            by_lead.setdefault(lead, []).append((event, identity.original_lead_id))
    plans = await lock_plans(session, {unit_id for unit_id, _ in by_lead})
    origins = await load_origins(await raw(session), list(by_lead))
    return [
        _lead_task(identified.leads[lead], plans[lead[0]], events, origins) for lead, events in sorted(by_lead.items())
    ]


def _lead_task(
    lead: LockedLead, plans: UnitPlans, events: Sequence[tuple[IncomingEvent, str | None]], origins: Origins
) -> _LeadTask:
    state = LeadState.of(lead, plans)
    return _LeadTask(state, new_events(state.key, events, plans.plans.newest, origins))


def _counter_changes(identified: Identified, tasks: Iterable[_LeadTask]) -> CounterChanges:
    changes = CounterChanges(leads=identified.new_leads)
    for task in tasks:
        changes.add_events(task.unit_id, [(new.fact.type, new.incoming.claimed.received_at) for new in task.events])
    return changes


def _parts(tasks: Sequence[_LeadTask]) -> Iterator[_Part]:
    """First the leads whose events are all in order. Then, in slices, those with late events, which are replayed."""
    late = [task for task in tasks if not task.state.can_fold([new.fact for new in task.events])]
    late_keys = {task.state.key for task in late}
    yield _Part([task for task in tasks if task.state.key not in late_keys], replayed=False)
    for start in range(0, len(late), MAX_REPLAYED_LEADS):
        yield _Part(late[start : start + MAX_REPLAYED_LEADS], replayed=True)


async def _fold(connection: asyncpg.Connection, part: _Part, now: datetime, frames: dict[str, list[Frame]]) -> set[int]:
    """Fold and save a part, and add its frames. Returns the routes of leads whose replay was slow."""
    histories = await load_histories(connection, [task.state for task in part.tasks] if part.replayed else [])
    writes = Writes()
    for task in part.tasks:
        published = await _project(task, histories.get(task.state.key), now, writes)
        frames.setdefault(task.unit_id, []).extend(published)
    await save(connection, writes)
    slow = (t for t in part.tasks if len(histories.get(t.state.key, History()).facts) >= SLOW_REPLAY_FACTS)
    return {new.incoming.claimed.route for task in slow for new in task.events}


async def _project(task: _LeadTask, history: History | None, now: datetime, writes: Writes) -> list[Frame]:
    facts = [new.fact for new in task.events]
    projection = await project(task.state, facts, history, now)
    at = next_ledger_time(task.state.lead, now)
    record_projection(task.state, projection, history, at, writes, newest=facts[-1])
    add_event_rows(task.state, task.events, projection, at, writes)
    shown = (fact for fact in facts if fact.type not in task.state.plans.hidden)
    frames = [new_event_frame(task.state.lead.lead_id, fact) for fact in shown]
    return [*frames, *score_frames(task.state, projection), *surge_frames(task.state, projection, facts)]


def _measure(claimed: Sequence[ClaimedEvent]) -> None:
    now = time.time()
    metrics.EVENTS_PROCESSED.inc(len(claimed))
    metrics.SCORING_LATENCY.observe_all([max(0.0, now - event.received_at.timestamp()) for event in claimed])
