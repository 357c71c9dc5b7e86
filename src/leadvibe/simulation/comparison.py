"""Compares leads' scores before and after a draft: counts, a distribution and the leads that change most."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from itertools import pairwise
from typing import Final

from leadvibe.engine import Entry

BUCKET_STARTS: Final = (0, 1, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
"""The lowest score of each bucket of the distribution. One more bucket has the scores below zero."""

MAX_MOVERS: Final = 20

Cause = tuple[str, str | None]
"""The kind of a reason, and the rule if the kind is `rule`."""


@dataclass(frozen=True, slots=True)
class Bucket:
    min: int | None
    max: int | None
    leads: int


@dataclass(frozen=True, slots=True)
class Distribution:
    before: list[Bucket]
    after: list[Bucket]


@dataclass(frozen=True, slots=True)
class Reason:
    """What one cause added to a lead's total, before and after."""

    kind: str
    rule_id: str | None
    event_type: str | None
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Mover:
    """A lead whose score changes."""

    lead_id: str
    before: int
    after: int
    reasons: list[Reason]


def _empty_counts() -> list[int]:
    return [0] * (len(BUCKET_STARTS) + 1)


@dataclass(slots=True)
class Comparison:
    """Needs the same memory for any number of leads."""

    leads: int = 0
    events: int = 0
    up: int = 0
    down: int = 0
    unchanged: int = 0
    before: list[int] = field(default_factory=_empty_counts)
    after: list[int] = field(default_factory=_empty_counts)
    largest: list[tuple[int, int, Mover]] = field(default_factory=list[tuple[int, int, Mover]])
    """A heap of (distance, -number of the lead, mover): of equal distances, the first lead wins."""

    def add(self, lead_id: str, before: int, after: int, reasons: Callable[[], list[Reason]]) -> None:
        """Count a lead. `reasons` is called only if the lead is among those that change most so far."""
        self.leads += 1
        self.up += after > before
        self.down += after < before
        self.unchanged += after == before
        self.before[bisect_right(BUCKET_STARTS, before)] += 1
        self.after[bisect_right(BUCKET_STARTS, after)] += 1
        distance = abs(after - before)
        if len(self.largest) < MAX_MOVERS and distance:
            heappush(self.largest, (distance, -self.leads, Mover(lead_id, before, after, reasons())))
        elif distance and distance > self.largest[0][0]:
            heappushpop(self.largest, (distance, -self.leads, Mover(lead_id, before, after, reasons())))

    @property
    def movers(self) -> list[Mover]:
        return [mover for _, _, mover in sorted(self.largest, reverse=True)]

    @property
    def distribution(self) -> Distribution:
        return Distribution(_buckets(self.before), _buckets(self.after))


def _buckets(counts: Iterable[int]) -> list[Bucket]:
    edges = [None, *BUCKET_STARTS, None]
    return [
        Bucket(start, None if end is None else end - 1, leads)
        for (start, end), leads in zip(pairwise(edges), counts, strict=True)
    ]


def reasons(
    live: Iterable[Entry], drafted: Iterable[Entry], ruleset_id: str, event_types: Mapping[str, str]
) -> list[Reason]:
    """Why two ledgers of one lead have different totals in a ruleset, largest change first."""
    before, after = _points_by_cause(live, ruleset_id), _points_by_cause(drafted, ruleset_id)
    all_reasons = [
        Reason(*cause, event_types.get(cause[1] or ""), before.get(cause, 0), after.get(cause, 0))
        for cause in {**before, **after}
    ]
    moved = [reason for reason in all_reasons if reason.before != reason.after]
    return sorted(moved, key=lambda reason: (-abs(reason.after - reason.before), reason.kind, reason.rule_id or ""))


def _points_by_cause(entries: Iterable[Entry], ruleset_id: str) -> dict[Cause, int]:
    """The points that each cause added in a ruleset. Their sum is the total."""
    causes: dict[Cause, int] = {}

    def add(kind: str, points: int, rule_id: str | None = None) -> None:
        causes[kind, rule_id] = causes.get((kind, rule_id), 0) + points

    for entry in entries:
        if entry.ruleset_id != ruleset_id:
            continue
        match entry.kind:
            case "event":
                for rule_id, weight in entry.awards:
                    add("rule", weight, rule_id)
                add("surge", entry.points - entry.base)
                add("floor", entry.applied - entry.points)
            case "lift":
                add("floor", entry.applied)
            case kind:
                add(kind, entry.applied)
    return causes
