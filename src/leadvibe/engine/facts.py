"""What happened to a lead, and the one order in which it counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from leadvibe.engine.instants import BEGINNING

# Ranks within one instant. Decay steps and the lifting of negatives are derived, so no fact carries their rank.
DECAY: Final = 0
EVENT: Final = 1
ADJUSTMENT: Final = 2
RESET: Final = 3
LIFT: Final = 4


@dataclass(frozen=True, slots=True)
class Event:
    """An engagement event, to be judged by the configuration version it names."""

    id: UUID
    type: str
    at: int
    digest: bytes
    key: str
    version: int
    metadata: Mapping[str, object]
    channel: str
    reset_before_merge: bool = False
    """Its own lead's reset took it in before a merge: it is activity still, but it never counts."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Points given or taken by hand."""

    id: UUID
    at: int
    ruleset_id: str
    points: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Every total becomes zero."""

    id: UUID
    at: int


Fact = Event | Adjustment | Reset
Order = tuple[int, int, *tuple[str | bytes | int, ...]]
"""Compares as the canonical order does. Text compares by code point, which is also the order of its UTF-8 bytes."""

START: Order = (BEGINNING, DECAY, "")
"""Before every fact."""


def order(fact: Fact) -> Order:
    """Where a fact stands among the facts of its lead."""
    if isinstance(fact, Event):
        return (fact.at, EVENT, fact.type, fact.digest, fact.key, fact.version, fact.id.bytes)
    return (fact.at, ADJUSTMENT if isinstance(fact, Adjustment) else RESET, fact.id.bytes)


def with_version(facts: Iterable[Fact], version: int) -> list[Fact]:
    """The same facts in order, every event judged by one version from now on."""
    return sorted((replace(fact, version=version) if isinstance(fact, Event) else fact for fact in facts), key=order)
