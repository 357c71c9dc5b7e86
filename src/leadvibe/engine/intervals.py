"""What the configuration has said, over time, about everything that isn't an event."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from leadvibe.engine.decay import DecayRule
from leadvibe.engine.facts import DECAY, LIFT
from leadvibe.engine.instants import BEGINNING, END
from leadvibe.engine.rules import Ruleset


@dataclass(frozen=True, slots=True)
class VersionSettings:
    """What one version says, from its creation on."""

    version: int
    start: int
    negatives: bool
    rulesets: tuple[Ruleset, ...]
    decays: Mapping[str, DecayRule]


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time in which none of it changes."""

    start: int
    end: int
    negatives: bool
    lifting: bool
    """Negatives were switched off when it began: at that instant every negative total becomes zero."""
    rulesets: frozenset[str]
    """Those that decay applies to."""
    decays: tuple[DecayRule, ...]
    shortest: int
    """No decay falls due sooner than this after activity."""


class Step(NamedTuple):
    """Something that follows from silence or from the configuration: a decay step or, without a rule, the lifting."""

    at: int
    rank: int
    name: str
    interval: Interval
    decay: DecayRule | None


Position = tuple[int, int, str]
"""Instant, rank, and the rule's id if it is a decay step's."""


@dataclass(frozen=True, slots=True)
class ConfigurationTimeline:
    version_settings: tuple[VersionSettings, ...]
    intervals: tuple[Interval, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, version_settings: Iterable[VersionSettings]) -> "ConfigurationTimeline":
        version_settings = tuple(version_settings)
        intervals = tuple(_intervals(version_settings))
        return cls(version_settings, intervals, tuple(interval.start for interval in intervals))

    def at(self, instant: int) -> Interval:
        return self.intervals[bisect_right(self.starts, instant) - 1]

    def next_step(self, position: Position, activity: int, totals: Mapping[str, int]) -> Step | None:
        """The first step after a position that changes a total, if nothing else happens before."""
        if not totals:
            return None
        for interval in self.intervals[bisect_right(self.starts, position[0]) - 1 :]:
            step = _first_step(interval, position, activity, totals)
            if step is not None:
                return step
        return None

    def changed_unseen(self, known: int, at: int) -> bool:
        """Whether a version newer than the known one was in force at an instant already."""
        return any(stage.start <= at for stage in self.version_settings if stage.version > known)


def _first_step(interval: Interval, position: Position, activity: int, totals: Mapping[str, int]) -> Step | None:
    at, rank, name = position
    first, soonest = None, interval.end
    if interval.decays and _decays(interval, totals):
        for rule in interval.decays:
            reached = at if rank == DECAY and rule.decay_id > name else at + 1
            due = rule.due(activity, max(reached, interval.start))
            if due < soonest:
                first, soonest = rule, due
    lifting = interval.lifting and (at, rank) < (interval.start, LIFT) and min(totals.values()) < 0
    if lifting and soonest > interval.start:
        return Step(interval.start, LIFT, "", interval, None)
    return Step(soonest, DECAY, first.decay_id, interval, first) if first else None


def _decays(interval: Interval, totals: Mapping[str, int]) -> bool:
    """Whether a decay step would change any total."""
    return any(
        (total > 0 or interval.negatives) and ruleset_id in interval.rulesets for ruleset_id, total in totals.items()
    )


def _intervals(version_settings: Sequence[VersionSettings]) -> Iterator[Interval]:
    negatives = version_settings[0].negatives
    pieces = list(_merged(_pieces(version_settings)))
    for (start, stage, rulesets), (end, _, _) in pairwise([*pieces, (END, version_settings[-1], frozenset[str]())]):
        decays = tuple(stage.decays.values())
        shortest = min((rule.period for rule in decays), default=END)
        lifting = negatives and not stage.negatives
        negatives = stage.negatives
        yield Interval(start, end, negatives, lifting, rulesets, decays, shortest)


Piece = tuple[int, VersionSettings, frozenset[str]]


def _pieces(version_settings: Sequence[VersionSettings]) -> Iterator[Piece]:
    """The stages, cut where a ruleset's own window opens or closes."""
    starts = [BEGINNING, *(stage.start for stage in version_settings[1:]), END]
    for stage, (start, end) in zip(version_settings, pairwise(starts), strict=True):
        if start == end:
            continue
        edges = {edge for ruleset in stage.rulesets for edge in (ruleset.start, ruleset.end)}
        for cut in sorted({start, *(edge for edge in edges if start < edge < end)}):
            active = (ruleset.ruleset_id for ruleset in stage.rulesets if ruleset.start <= cut < ruleset.end)
            yield cut, stage, frozenset(active if stage.decays else ())


def _merged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces without those that repeat what the one before says."""
    said = None
    for start, stage, rulesets in pieces:
        says = (stage.negatives, rulesets, stage.decays)
        if says != said:
            yield start, stage, rulesets
        said = says
