"""A lead as the program stores it: facts, standing and ledger, folded in order and replayed when a fact is late."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import NamedTuple
from uuid import UUID

import msgspec

from leadvibe.engine import (
    Awards,
    Cause,
    Entry,
    Event,
    Fact,
    Kind,
    Outcome,
    Plans,
    Session,
    Standing,
    SurgeEvent,
    Verdict,
    advance,
    order,
    reconcile,
    reconcile_surge_events,
)
from support.folding import fold, with_version


class Stored(NamedTuple):
    """A current line of the ledger."""

    id: int
    kind: Kind
    cause: Cause
    ruleset_id: str
    at: int
    awards: Awards
    multiplier: int
    points: int
    applied: int


Ledger = list[tuple[object, ...]]


@dataclass
class Lead:
    plans: Plans
    facts: dict[UUID, Fact] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    standing: Standing = field(default_factory=Standing)
    lines: dict[int, Stored] = field(default_factory=dict)
    verdicts: dict[UUID, Verdict] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    surge_events: dict[UUID, SurgeEvent] = field(default_factory=dict)
    next_decay_at: int | None = None
    replays: int = 0
    _ids: "count[int]" = field(default_factory=count)

    def receive(self, *batch: Fact) -> None:
        """Add facts as one transaction does."""
        new = sorted((fact for fact in batch if self._is_new(fact)), key=order)
        if not new:
            return
        if self.standing.can_fold(self.plans, new):
            self._save(fold(self.plans, self.standing, new))
        else:
            self.replay()

    def _is_new(self, fact: Fact) -> bool:
        key = fact.key if isinstance(fact, Event) else ""
        if fact.id in self.facts or key in self.keys:
            return False
        self.facts[fact.id] = fact
        self.keys |= {key} - {""}
        return True

    def advance(self, until: int) -> None:
        if not self.standing.can_fold(self.plans):
            self.replay()
        self._save(advance(self.plans, self.standing, until))

    def delete(self, cause: UUID) -> None:
        if self.facts.pop(cause, None):
            self.replay()

    def rescore(self, version: int) -> None:
        self.facts = {fact.id: fact for fact in with_version(self.facts.values(), version)}
        self.replay()

    def replay(self) -> None:
        """Derive everything again from the beginning, and replace only the ledger lines that differ."""
        self.replays += 1
        self.verdicts, self.sessions = {}, {}
        outcome = fold(self.plans, Standing(), sorted(self.facts.values(), key=order))
        superseded, written = reconcile(self.lines.values(), outcome.entries)
        for line in superseded:
            del self.lines[line.id]
        removed, surges = reconcile_surge_events(list(self.surge_events.values()), outcome.surge_events)
        for surge in removed:
            del self.surge_events[surge.event_id]
        self._save(replace(outcome, entries=written, surge_events=surges))

    def _save(self, outcome: Outcome) -> None:
        for entry in outcome.entries:
            number = next(self._ids)
            self.lines[number] = Stored(number, *_stored_values(entry))
        self.verdicts |= {verdict.event_id: verdict for verdict in outcome.verdicts}
        self.sessions |= {session.id: session for session in outcome.sessions}
        assert not {surge.event_id for surge in outcome.surge_events} & self.surge_events.keys()
        self.surge_events |= {surge.event_id: surge for surge in outcome.surge_events}
        self.next_decay_at = outcome.next_decay_at
        self.standing = Standing.load(msgspec.msgpack.decode(msgspec.msgpack.encode(outcome.standing.dump())))

    @property
    def totals(self) -> dict[str, int]:
        return {ruleset_id: total for ruleset_id, total in self.standing.totals.items() if total}

    @property
    def ledger(self) -> Ledger:
        """The current lines without their ids, in an order that doesn't depend on when they were written."""
        return sorted((line[1:] for line in self.lines.values()), key=lambda line: (line[3], str(line)))

    @property
    def state(self) -> tuple[object, ...]:
        """Everything that must not depend on the order in which the facts arrived."""
        return self.ledger, self.totals, self.verdicts, self.sessions, self.surge_events, self.next_decay_at


def _stored_values(entry: Entry) -> tuple[Kind, Cause, str, int, Awards, int, int, int]:
    return (
        entry.kind,
        entry.cause,
        entry.ruleset_id,
        entry.at,
        entry.awards,
        entry.multiplier,
        entry.points,
        entry.applied,
    )


def lead_with(plans: Plans, facts: Iterable[Fact]) -> Lead:
    """A lead that received all its facts at once."""
    lead = Lead(plans)
    lead.receive(*facts)
    return lead
