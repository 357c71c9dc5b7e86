"""Compares what is stored with what a replay derived, so that only what differs is replaced."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from leadvibe.engine.entries import Cause, Entry, Kind, SurgeEvent
from leadvibe.engine.instants import Instant
from leadvibe.engine.rules import Awards


class LedgerLine(Protocol):
    """The fields that a stored line has in common with an entry."""

    @property
    def kind(self) -> Kind: ...
    @property
    def cause(self) -> Cause: ...
    @property
    def ruleset_id(self) -> str: ...
    @property
    def at(self) -> Instant: ...
    @property
    def awards(self) -> Awards: ...
    @property
    def multiplier(self) -> int: ...
    @property
    def points(self) -> int: ...
    @property
    def applied(self) -> int: ...


Stored = TypeVar("Stored", bound=LedgerLine)


def reconcile(current: Iterable[Stored], derived: Iterable[Entry]) -> tuple[list[Stored], list[Entry]]:
    """The stored lines to supersede, and the entries to write."""
    unmatched = {_identity(line): line for line in current}
    superseded: list[Stored] = []
    written: list[Entry] = []
    for entry in derived:
        line = unmatched.pop(_identity(entry), None)
        if line is None:
            written.append(entry)
        elif _values(line) != _values(entry):
            superseded.append(line)
            written.append(entry)
    return [*superseded, *unmatched.values()], written


def reconcile_surge_events(
    stored: Sequence[SurgeEvent], derived: Sequence[SurgeEvent]
) -> tuple[list[SurgeEvent], list[SurgeEvent]]:
    """The stored surge events to delete, and the derived ones to write."""
    kept = {*stored} & {*derived}
    return [each for each in stored if each not in kept], [each for each in derived if each not in kept]


def _identity(line: LedgerLine) -> tuple[Kind, Cause, str, Instant]:
    return line.kind, line.cause, line.ruleset_id, line.at


def _values(line: LedgerLine) -> tuple[Awards, int, int, int]:
    return line.awards, line.multiplier, line.points, line.applied
