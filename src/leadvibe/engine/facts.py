"""Facts of a lead's history and their canonical order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from leadvibe.engine.instants import BEGINNING, Instant

# Ranks within one instant. Decays and lifts are derived, so no fact has their rank.
DECAY: Final = 0
EVENT: Final = 1
ADJUSTMENT: Final = 2
RESET: Final = 3
LIFT: Final = 4


@dataclass(frozen=True, slots=True)
class Event:
    """An engagement event."""

    id: UUID
    type: str
    at: Instant
    digest: bytes
    key: str
    version: int
    """The configuration version that judges it."""
    metadata: Mapping[str, object]
    channel: str
    reset_before_merge: bool = False
    """A reset of its original lead cleared it before a merge: it is still activity, but it never scores."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Points that a person added or removed."""

    id: UUID
    at: Instant
    ruleset_id: str
    points: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Sets every total to zero."""

    id: UUID
    at: Instant


Fact = Event | Adjustment | Reset
Order = tuple[int, int, *tuple[str | bytes | int, ...]]
"""Sort key of the canonical order. Texts compare by code point, which is also the order of their UTF-8 bytes."""

START: Order = (BEGINNING, DECAY, "")
"""Before every fact."""


def order(fact: Fact) -> Order:
    """The position of a fact among the facts of its lead."""
    if isinstance(fact, Event):
        return (fact.at, EVENT, fact.type, fact.digest, fact.key, fact.version, fact.id.bytes)
    return (fact.at, ADJUSTMENT if isinstance(fact, Adjustment) else RESET, fact.id.bytes)
