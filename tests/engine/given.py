"""Builders with sane defaults: a configuration, its versions, and what happens to a lead."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from typing import Any
from uuid import UUID

from leadvibe.engine import Adjustment, Event, Plans, Reset, Snapshot, to_instant

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

NOON = to_instant(datetime(2026, 1, 1, 12, tzinfo=UTC))

_numbers = count(1)


def rule(event_type: str = "page_view", weight: int = 10, *, ruleset_id: str = "A", **more: Any) -> Any:
    given = {"rule_id": f"{ruleset_id}/{event_type}", "ruleset_id": ruleset_id, "event_type": event_type}
    return {**given, "weight": weight, **more}


def snapshot(*rules: Any, **more: Any) -> Snapshot:
    """Rulesets as the rules need them, the first one primary."""
    ids = sorted({"A", *(each["ruleset_id"] for each in rules)})
    rulesets = [{"ruleset_id": each, "active": True, "is_primary": each == "A"} for each in ids]
    whole: Any = {"rulesets": rulesets, "rules": list(rules), **more}
    return whole


def plans(*rules: Any, **more: Any) -> Plans:
    """One version, made long before anything happens."""
    return Plans.of([(1, 0, snapshot(*rules, **more))])


def versions(*snapshots: tuple[int, Snapshot]) -> Plans:
    """Versions 1, 2, … each with the to_instant of its creation."""
    return Plans.of((number, at, given) for number, (at, given) in enumerate(snapshots, start=1))


def event(
    at: int = 0,
    event_type: str = "page_view",
    *,
    number: int | None = None,
    version: int = 1,
    key: str = "",
    channel: str = "web",
    metadata: Mapping[str, object] | None = None,
    reset_before_merge: bool = False,
) -> Event:
    """An event so many microseconds after noon."""
    digest = sha256(repr(sorted((metadata or {}).items())).encode()).digest()
    return Event(_id(number), event_type, NOON + at, digest, key, version, metadata or {}, channel, reset_before_merge)


def adjustment(at: int, points: int, *, ruleset_id: str = "A", number: int | None = None) -> Adjustment:
    return Adjustment(_id(number), NOON + at, ruleset_id, points)


def reset(at: int, *, number: int | None = None) -> Reset:
    return Reset(_id(number), NOON + at)


def _id(number: int | None) -> UUID:
    return UUID(int=next(_numbers) if number is None else number)
