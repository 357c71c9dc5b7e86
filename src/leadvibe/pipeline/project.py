"""Projects facts onto a lead: from its standing if they are in order, or from its whole history if one is late."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from leadvibe.core.instants import due_at, from_micros, micros
from leadvibe.engine import (
    Entry,
    Event,
    Fact,
    LedgerLine,
    Outcome,
    Standing,
    SurgeEvent,
    fold_until,
    order,
    reconcile,
    reconcile_surge_events,
)
from leadvibe.identity.locks import LeadKey, LockedLead
from leadvibe.pipeline.load import History, StoredEntry, load
from leadvibe.pipeline.save import (
    EndedSurgeEventRow,
    EntryRow,
    LeadRow,
    ScoreRow,
    SupersededRow,
    SurgeEventRow,
    VerdictRow,
    Writes,
)
from leadvibe.rulesets.plans import UnitPlans

THREADED_REPLAY_FACTS: Final = 500
"""A replay of at least this many facts runs in a thread, so that it doesn't block the event loop."""

MICROSECOND = timedelta(microseconds=1)

Changes = dict[str, tuple[int, int]]
"""Ruleset → total before and after."""

_standing = msgspec.msgpack.Decoder(list[Any])


@dataclass(frozen=True, slots=True)
class LeadState:
    """A locked lead with its standing and the plans of its OU."""

    lead: LockedLead
    plans: UnitPlans
    standing: Standing

    @classmethod
    def of(cls, lead: LockedLead, plans: UnitPlans) -> "LeadState":
        return cls(lead, plans, Standing() if lead.standing is None else Standing.load(_standing.decode(lead.standing)))

    @property
    def key(self) -> LeadKey:
        return self.lead.unit_id, self.lead.lead_id

    def can_fold(self, facts: Sequence[Fact]) -> bool:
        """Whether these facts, in canonical order, can be folded from the standing, without the history."""
        return self.standing.can_fold(self.plans.plans, facts)


@dataclass(frozen=True, slots=True)
class Projection:
    """The changes of a lead that its facts cause."""

    outcome: Outcome
    written: list[Entry]
    superseded: list[StoredEntry]
    changes: Changes
    surge_events: list[SurgeEvent]
    """To write."""
    ended_surge_events: list[SurgeEvent]
    """To delete: those that a replay didn't derive again."""

    @property
    def moved(self) -> Changes:
        """The totals that differ before and after."""
        return {ruleset: change for ruleset, change in self.changes.items() if change[0] != change[1]}


async def load_histories(connection: asyncpg.Connection, states: Sequence[LeadState]) -> dict[LeadKey, History]:
    """The stored histories of these leads, with the metadata that their plans read."""
    metadata_types = {event_type for state in states for event_type in state.plans.plans.metadata_types}
    return await load(connection, [state.key for state in states], metadata_types)


async def project(state: LeadState, facts: Sequence[Fact], history: History | None, now: datetime) -> Projection:
    """Fold facts, given in canonical order, and all steps due until `now`; with a history, replay all of it."""
    until = micros(now)
    if history is None:
        outcome = fold_until(state.plans.plans, state.standing, facts, until)
        return Projection(outcome, outcome.entries, [], _grown(outcome.entries), outcome.surge_events, [])
    if len(history.facts) >= THREADED_REPLAY_FACTS:
        return await asyncio.to_thread(_replay, state, facts, history, until)
    # Yield to the event loop between leads.
    await asyncio.sleep(0)
    return _replay(state, facts, history, until)


def _replay(state: LeadState, facts: Sequence[Fact], history: History, until: int) -> Projection:
    everything = sorted([*history.facts, *facts], key=order)
    outcome = fold_until(state.plans.plans, Standing(), everything, until)
    superseded, written = reconcile(history.entries, outcome.entries)
    before, after = _sums(history.entries), _sums(outcome.entries)
    changes = {ruleset: (before.get(ruleset, 0), after.get(ruleset, 0)) for ruleset in {**before, **after}}
    ended, surge_events = reconcile_surge_events(history.surge_events, outcome.surge_events)
    return Projection(outcome, written, superseded, changes, surge_events, ended)


def _grown(entries: Iterable[Entry]) -> Changes:
    changes: Changes = {}
    for entry in entries:
        first, _ = changes.get(entry.ruleset_id, (entry.before, 0))
        changes[entry.ruleset_id] = (first, entry.after)
    return changes


def _sums(lines: Iterable[LedgerLine]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.ruleset_id] = sums.get(line.ruleset_id, 0) + line.applied
    return sums


def next_ledger_time(lead: LockedLead, now: datetime) -> datetime:
    """The instant of a ledger write: always later than the lead's last one, even if the clock stepped back."""
    return now if lead.ledger_at is None or lead.ledger_at < now else lead.ledger_at + MICROSECOND


def record_projection(
    state: LeadState,
    projection: Projection,
    history: History | None,
    at: datetime,
    writes: Writes,
    *,
    newest: Event | None = None,
) -> None:
    """Add a lead's new ledger entries, surge events, totals and standing to the writes.

    `newest` is the last of the new events.
    """
    unit_id, lead_id = state.key
    outcome = projection.outcome
    writes.superseded += [SupersededRow(unit_id, lead_id, line.entry_id, at) for line in projection.superseded]
    writes.entries += [EntryRow.of(unit_id, lead_id, entry, at) for entry in projection.written]
    writes.ended_surge_events += [
        EndedSurgeEventRow(unit_id, lead_id, surge.event_id) for surge in projection.ended_surge_events
    ]
    writes.surge_events += [SurgeEventRow.of(unit_id, lead_id, surge) for surge in projection.surge_events]
    writes.scores += [ScoreRow(unit_id, lead_id, r, score, at) for r, (_, score) in projection.changes.items()]
    writes.leads.append(
        LeadRow(
            unit_id,
            lead_id,
            msgspec.msgpack.encode(outcome.standing.dump()),
            due_at(outcome.next_decay_at),
            at,
            from_micros(newest.at) if newest is not None else None,
            newest.type if newest is not None else None,
            state.plans.overall(outcome.standing.totals),
        )
    )
    if history is not None:
        # A late fact may change the suppression and the session of other events.
        for verdict in outcome.verdicts:
            stored = history.verdicts.get(verdict.event_id)
            if stored is not None and stored != (verdict.suppression_reason, verdict.session_id):
                writes.verdicts.append(
                    VerdictRow(unit_id, verdict.event_id, verdict.suppression_reason, verdict.session_id)
                )
