"""Lets facts happen to one lead: from its standing when they are in order, from its beginning when one is late."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from leadvibe.core.instants import due_at, from_micros, micros
from leadvibe.engine import Entry, Event, Fact, Line, Outcome, Standing, order, reconcile, settle
from leadvibe.rulesets.plans import UnitPlans
from leadvibe.scoring.identify import LeadKey, LockedLead
from leadvibe.scoring.load import History, StoredEntry, load
from leadvibe.scoring.save import Writes, entry_row

LONG: Final = 500
"""Facts of a history that is replayed in a thread, so that other work of the process goes on meanwhile."""

MICROSECOND = timedelta(microseconds=1)

Changes = dict[str, tuple[int, int]]
"""Ruleset → total before and after."""

_standing = msgspec.msgpack.Decoder(list[Any])


@dataclass(frozen=True, slots=True)
class LeadState:
    """A locked lead, as the engine sees it."""

    lead: LockedLead
    plans: UnitPlans
    standing: Standing

    @classmethod
    def of(cls, lead: LockedLead, plans: UnitPlans) -> "LeadState":
        return cls(lead, plans, Standing() if lead.standing is None else Standing.load(_standing.decode(lead.standing)))

    @property
    def key(self) -> LeadKey:
        return self.lead.unit_id, self.lead.lead_id

    def takes(self, facts: Sequence[Fact]) -> bool:
        """Whether facts, in canonical order, can happen from here; otherwise the whole history is needed."""
        return self.standing.takes(self.plans.plans, facts)


@dataclass(frozen=True, slots=True)
class Evolution:
    """What facts did to a lead."""

    outcome: Outcome
    written: list[Entry]
    superseded: list[StoredEntry]
    changes: Changes

    @property
    def moved(self) -> Changes:
        """Only the totals that are another number now."""
        return {ruleset: change for ruleset, change in self.changes.items() if change[0] != change[1]}


async def recall(connection: asyncpg.Connection, states: Sequence[LeadState]) -> dict[LeadKey, History]:
    """All that is stored of these leads, as far as their plans ask for it."""
    asked = {event_type for state in states for event_type in state.plans.plans.asked}
    return await load(connection, [state.key for state in states], asked)


async def evolve(state: LeadState, facts: Sequence[Fact], history: History | None, now: datetime) -> Evolution:
    """Fold facts, in canonical order, and what falls due until now; with a history, all of it once more."""
    until = micros(now)
    if history is None:
        outcome = settle(state.plans.plans, state.standing, facts, until)
        return Evolution(outcome, outcome.entries, [], _grown(outcome.entries))
    if len(history.facts) >= LONG:
        return await asyncio.to_thread(_replay, state, facts, history, until)
    # Somebody else's turn, between one lead and the next.
    await asyncio.sleep(0)
    return _replay(state, facts, history, until)


def _replay(state: LeadState, facts: Sequence[Fact], history: History, until: int) -> Evolution:
    everything = sorted([*history.facts, *facts], key=order)
    outcome = settle(state.plans.plans, Standing(), everything, until)
    superseded, written = reconcile(history.entries, outcome.entries)
    before, after = _sums(history.entries), _sums(outcome.entries)
    changes = {ruleset: (before.get(ruleset, 0), after.get(ruleset, 0)) for ruleset in {**before, **after}}
    return Evolution(outcome, written, superseded, changes)


def _grown(entries: Iterable[Entry]) -> Changes:
    changes: Changes = {}
    for entry in entries:
        first, _ = changes.get(entry.ruleset_id, (entry.before, 0))
        changes[entry.ruleset_id] = (first, entry.after)
    return changes


def _sums(lines: Iterable[Line]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.ruleset_id] = sums.get(line.ruleset_id, 0) + line.applied
    return sums


def written_at(lead: LockedLead, now: datetime) -> datetime:
    """When the ledger is written: later than its last writing, whatever the clock does, so belief never overlaps."""
    return now if lead.ledger_at is None or lead.ledger_at < now else lead.ledger_at + MICROSECOND


def record(
    state: LeadState,
    evolution: Evolution,
    history: History | None,
    at: datetime,
    writes: Writes,
    *,
    newest: Event | None = None,
) -> None:
    """Add a lead's new ledger, totals and standing to the writes; `newest` is the last of the events that are new."""
    unit_id, lead_id = state.key
    writes.superseded += [(unit_id, lead_id, line.entry_id, at) for line in evolution.superseded]
    writes.entries += [entry_row(unit_id, lead_id, entry, at) for entry in evolution.written]
    writes.scores += [(unit_id, lead_id, r, score, at) for r, (_, score) in evolution.changes.items()]
    outcome = evolution.outcome
    due = due_at(outcome.next_decay_at)
    seen = (None, None) if newest is None else (from_micros(newest.at), newest.type)
    standing, score = outcome.standing.dump(), state.plans.overall(outcome.standing.totals)
    writes.leads.append((unit_id, lead_id, msgspec.msgpack.encode(standing), due, at, *seen, score))
    if history is not None:
        # A late fact may change the suppression and the session of its neighbours.
        for mark in outcome.marks:
            stored = history.marks.get(mark.event_id)
            if stored is not None and stored != (mark.suppression_reason, mark.session_id):
                writes.marks.append((unit_id, mark.event_id, mark.suppression_reason, mark.session_id))
