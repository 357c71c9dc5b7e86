"""What the engine decides: lines of the ledger, a mark for every event, the standing that results."""

from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

from leadvibe.engine.configuration import Scope
from leadvibe.engine.rules import Awards
from leadvibe.engine.sessions import Session
from leadvibe.engine.standing import Standing

Kind = Literal["decay", "event", "adjustment", "reset", "lift"]
Cause = UUID | str


class Entry(NamedTuple):
    """One line of the ledger: what a fact or a derived step did to one ruleset's total."""

    kind: Kind
    cause: Cause
    """The event, adjustment or reset; the decay rule's id; of a lifting, the setting's name."""
    ruleset_id: str
    at: int
    version: int | None
    awards: Awards
    base: int
    multiplier: int
    """In thousandths."""
    points: int
    applied: int
    """What the floor left of the points."""
    before: int
    after: int


class Verdict(NamedTuple):
    """What became of an event."""

    event_id: UUID
    suppression_reason: str | None
    session_id: UUID | None
    scope: Scope


@dataclass(frozen=True, slots=True)
class Outcome:
    standing: Standing
    entries: list[Entry]
    verdicts: list[Verdict]
    sessions: list[Session]
    """Those that were opened or grew, as they are now."""
    next_decay_at: int | None
    """When silence or the configuration next changes a total, if nothing else happens."""
