"""The configuration over time: the settings that apply to a lead between its events."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from leadvibe.engine.decay import DecayRule
from leadvibe.engine.facts import DECAY, LIFT
from leadvibe.engine.instants import BEGINNING, END, Instant, Microseconds
from leadvibe.engine.rules import Ruleset


@dataclass(frozen=True, slots=True)
class VersionSettings:
    """The settings of one configuration version. They apply from its creation until the next version."""

    version: int
    start: Instant
    allow_negatives: bool
    rulesets: tuple[Ruleset, ...]
    decays: Mapping[str, DecayRule]
    known_decays: Mapping[str, DecayRule]
    """Also those of earlier versions, in their last state: a rule that is switched off may be switched on again."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time in which the settings stay the same. It excludes its end."""

    start: Instant
    end: Instant
    allow_negatives: bool
    lifts_negatives: bool
    """Negative scores were disallowed at its start: at that instant every negative total becomes zero."""
    rulesets: frozenset[str]
    """The rulesets that decay applies to."""
    decays: tuple[DecayRule, ...]
    shortest_period: Microseconds
    """No decay falls due sooner than this after activity."""


class Step(NamedTuple):
    """A derived change of the totals: a decay or, if `decay` is None, the lift of negative totals."""

    at: Instant
    rank: int
    name: str
    """The decay rule's id; empty for a lift."""
    interval: Interval
    decay: DecayRule | None


Position = tuple[Instant, int, str]
"""Instant, rank and, after a decay, the rule's id."""


@dataclass(frozen=True, slots=True)
class ConfigurationTimeline:
    version_settings: tuple[VersionSettings, ...]
    intervals: tuple[Interval, ...]
    starts: tuple[Instant, ...]

    @classmethod
    def of(cls, version_settings: Iterable[VersionSettings]) -> "ConfigurationTimeline":
        version_settings = tuple(version_settings)
        intervals = tuple(_intervals(version_settings))
        return cls(version_settings, intervals, tuple(interval.start for interval in intervals))

    def at(self, instant: Instant) -> Interval:
        return self.intervals[self._index(instant)]

    def next_step(self, position: Position, activity: Instant, totals: Mapping[str, int]) -> Step | None:
        """The first step after a position that changes a total if no further fact comes."""
        if not totals:
            return None
        for interval in self.intervals[self._index(position[0]) :]:
            step = _first_step(interval, position, activity, totals)
            if step is not None:
                return step
        return None

    def changed_since(self, version: int, at: Instant) -> bool:
        """Whether a version newer than this one applies at or before an instant."""
        return any(settings.start <= at for settings in self.version_settings if settings.version > version)

    def _index(self, instant: Instant) -> int:
        return bisect_right(self.starts, instant) - 1


def _first_step(interval: Interval, position: Position, activity: Instant, totals: Mapping[str, int]) -> Step | None:
    at, rank, name = position
    first, first_due = None, interval.end
    if interval.decays and _decay_changes(interval, totals):
        for rule in interval.decays:
            # Decays that are due at the same instant apply in the order of their ids.
            earliest = at if rank == DECAY and rule.decay_id > name else at + 1
            due = rule.due(activity, max(earliest, interval.start))
            if due < first_due:
                first, first_due = rule, due
    lifts = interval.lifts_negatives and (at, rank) < (interval.start, LIFT) and min(totals.values()) < 0
    if lifts and first_due > interval.start:
        return Step(interval.start, LIFT, "", interval, None)
    return Step(first_due, DECAY, first.decay_id, interval, first) if first else None


def _decay_changes(interval: Interval, totals: Mapping[str, int]) -> bool:
    """Whether a decay would change any total."""
    return any(
        (total > 0 or interval.allow_negatives) and ruleset_id in interval.rulesets
        for ruleset_id, total in totals.items()
    )


def _intervals(version_settings: Sequence[VersionSettings]) -> Iterator[Interval]:
    allowed_negatives = version_settings[0].allow_negatives
    changes = list(_without_repetitions(_changes(version_settings)))
    ends = [*(at for at, _, _ in changes[1:]), END]
    for (start, settings, rulesets), end in zip(changes, ends, strict=True):
        decays = tuple(settings.decays.values())
        shortest_period = min((rule.period for rule in decays), default=END)
        lifts_negatives = allowed_negatives and not settings.allow_negatives
        allowed_negatives = settings.allow_negatives
        yield Interval(start, end, allowed_negatives, lifts_negatives, rulesets, decays, shortest_period)


Change = tuple[Instant, VersionSettings, frozenset[str]]
"""From an instant on: the settings, and the rulesets that decay applies to."""


def _changes(version_settings: Sequence[VersionSettings]) -> Iterator[Change]:
    """The start of each version, and the instants in it at which a ruleset's own time window opens or closes."""
    starts = [BEGINNING, *(settings.start for settings in version_settings[1:]), END]
    for settings, (start, end) in zip(version_settings, pairwise(starts), strict=True):
        if start == end:
            continue
        edges = {edge for ruleset in settings.rulesets for edge in (ruleset.start, ruleset.end)}
        for at in sorted({start, *(edge for edge in edges if start < edge < end)}):
            active = (ruleset.ruleset_id for ruleset in settings.rulesets if ruleset.start <= at < ruleset.end)
            yield at, settings, frozenset(active if settings.decays else ())


def _without_repetitions(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes without those that leave everything as it was."""
    previous = None
    for at, settings, rulesets in changes:
        current = (settings.allow_negatives, rulesets, settings.decays)
        if current != previous:
            yield at, settings, rulesets
        previous = current
