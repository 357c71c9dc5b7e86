"""Counts what a draft would have done to leads, in a few numbers whatever their number is."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from itertools import pairwise
from typing import Final

from leadvibe.engine import Entry

EDGES: Final = (0, 1, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
"""Where a bucket of the distribution begins; one more is for what is below zero."""

MOST_MOVERS: Final = 20

Cause = tuple[str, str | None]
"""Kind, and the rule if it is one's weights."""


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
    kind: str
    rule_id: str | None
    event_type: str | None
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Mover:
    lead_id: str
    before: int
    after: int
    reasons: list[Reason]


def _no_leads() -> list[int]:
    return [0] * (len(EDGES) + 1)


@dataclass(slots=True)
class Comparison:
    leads: int = 0
    events: int = 0
    up: int = 0
    down: int = 0
    unchanged: int = 0
    before: list[int] = field(default_factory=_no_leads)
    after: list[int] = field(default_factory=_no_leads)
    furthest: list[tuple[int, int, Mover]] = field(default_factory=list[tuple[int, int, Mover]])
    """A heap: how far, then how early."""

    def add(self, lead_id: str, before: int, after: int, reasons: Callable[[], list[Reason]]) -> None:
        """Count a lead; its reasons are only asked for if it is among the furthest so far."""
        self.leads += 1
        self.up += after > before
        self.down += after < before
        self.unchanged += after == before
        self.before[bisect_right(EDGES, before)] += 1
        self.after[bisect_right(EDGES, after)] += 1
        distance = abs(after - before)
        if len(self.furthest) < MOST_MOVERS and distance:
            heappush(self.furthest, (distance, -self.leads, Mover(lead_id, before, after, reasons())))
        elif distance and distance > self.furthest[0][0]:
            heappushpop(self.furthest, (distance, -self.leads, Mover(lead_id, before, after, reasons())))

    @property
    def movers(self) -> list[Mover]:
        return [mover for _, _, mover in sorted(self.furthest, reverse=True)]

    @property
    def distribution(self) -> Distribution:
        return Distribution(_buckets(self.before), _buckets(self.after))


def _buckets(counts: Iterable[int]) -> list[Bucket]:
    edges = [None, *EDGES, None]
    return [
        Bucket(start, None if end is None else end - 1, leads)
        for (start, end), leads in zip(pairwise(edges), counts, strict=True)
    ]


def reasons(
    live: Iterable[Entry], drafted: Iterable[Entry], ruleset_id: str, event_types: Mapping[str, str]
) -> list[Reason]:
    """Why two ledgers of one lead come to different totals in a ruleset, the strongest first."""
    before, after = _causes(live, ruleset_id), _causes(drafted, ruleset_id)
    found = [
        Reason(*cause, event_types.get(cause[1] or ""), before.get(cause, 0), after.get(cause, 0))
        for cause in {**before, **after}
    ]
    moved = [reason for reason in found if reason.before != reason.after]
    return sorted(moved, key=lambda reason: (-abs(reason.after - reason.before), reason.kind, reason.rule_id or ""))


def _causes(entries: Iterable[Entry], ruleset_id: str) -> dict[Cause, int]:
    """What each cause gave in all; together the total."""
    causes: dict[Cause, int] = {}

    def give(kind: str, points: int, rule_id: str | None = None) -> None:
        causes[kind, rule_id] = causes.get((kind, rule_id), 0) + points

    for entry in entries:
        if entry.ruleset_id != ruleset_id:
            continue
        match entry.kind:
            case "event":
                for rule_id, weight in entry.awards:
                    give("rule", weight, rule_id)
                give("surge", entry.points - entry.base)
                give("floor", entry.applied - entry.points)
            case "lift":
                give("floor", entry.applied)
            case kind:
                give(kind, entry.applied)
    return causes
