"""The result of a fold: ledger entries, a verdict for each event, sessions and the new standing."""

from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

from leadvibe.engine.configuration import Scope
from leadvibe.engine.instants import Instant
from leadvibe.engine.rules import Awards
from leadvibe.engine.sessions import Session
from leadvibe.engine.standing import Standing

Kind = Literal["decay", "event", "adjustment", "reset", "lift"]
Cause = UUID | str


class Entry(NamedTuple):
    """One line of the ledger: the effect of a fact or of a derived step on one ruleset's total."""

    kind: Kind
    cause: Cause
    """The id of the event, adjustment, reset or decay rule; for a lift, the name of the setting."""
    ruleset_id: str
    at: Instant
    version: int | None
    """The configuration version that judged an event; None for other kinds and for drafts."""
    awards: Awards
    base: int
    """Points before the multiplier."""
    multiplier: int
    """In thousandths."""
    points: int
    applied: int
    """The change of the total: `points` as far as the floor allows."""
    before: int
    after: int


class Verdict(NamedTuple):
    """How an event was judged."""

    event_id: UUID
    suppression_reason: str | None
    session_id: UUID | None
    scope: Scope


class SurgeEvent(NamedTuple):
    """The record that an event raised the multiplier of its surge."""

    event_id: UUID
    at: Instant
    channel: str
    start: Instant
    """The first event of the surge."""
    surge_count: int
    """This event included."""
    multiplier: int
    """In thousandths."""


@dataclass(frozen=True, slots=True)
class Outcome:
    standing: Standing
    entries: list[Entry]
    verdicts: list[Verdict]
    sessions: list[Session]
    """The sessions that were opened or extended, in their latest state."""
    surge_events: list[SurgeEvent]
    next_decay_at: Instant | None
    """When a decay or a lift changes a total next if no further fact comes."""
