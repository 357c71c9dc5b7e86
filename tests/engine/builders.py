"""Builders with sane defaults: a configuration, its versions, and the facts of a lead."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any
from uuid import UUID

import msgspec

from leadvibe.engine import Adjustment, Configuration, Event, Plans, Reset, Version
from leadvibe.engine.configuration import RuleConfig, RulesetConfig
from leadvibe.engine.instants import to_instant

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

NOON = to_instant(datetime(2026, 1, 1, 12, tzinfo=UTC))

_numbers = count(1)


def to_datetime(instant: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)


def rule(event_type: str = "page_view", weight: int = 10, *, ruleset_id: str = "A", **more: Any) -> RuleConfig:
    values = {"rule_id": f"{ruleset_id}/{event_type}", "ruleset_id": ruleset_id, "event_type": event_type}
    return msgspec.convert({**values, "weight": weight, **more}, RuleConfig)


def configuration(*rules: RuleConfig, rulesets: Sequence[RulesetConfig] | None = None, **more: Any) -> Configuration:
    """The rulesets that the rules need, the first one primary. Other parts are given as JSON."""
    ids = sorted({"A", *(each.ruleset_id for each in rules)})
    if rulesets is None:
        rulesets = [RulesetConfig(ruleset_id=each, is_primary=each == "A") for each in ids]
    return replace(msgspec.convert(more, Configuration), rulesets=tuple(rulesets), rules=rules)


def plans(*rules: RuleConfig, **more: Any) -> Plans:
    """One version, created long before any fact."""
    return versions((0, configuration(*rules, **more)))


def versions(*configurations: tuple[int, Configuration]) -> Plans:
    """Versions 1, 2, … each with the instant of its creation."""
    return Plans.of(Version(number, at, each) for number, (at, each) in enumerate(configurations, start=1))


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
    """An event at this many microseconds after noon."""
    digest = sha256(repr(sorted((metadata or {}).items())).encode()).digest()
    return Event(_id(number), event_type, NOON + at, digest, key, version, metadata or {}, channel, reset_before_merge)


def adjustment(at: int, points: int, *, ruleset_id: str = "A", number: int | None = None) -> Adjustment:
    return Adjustment(_id(number), NOON + at, ruleset_id, points)


def reset(at: int, *, number: int | None = None) -> Reset:
    return Reset(_id(number), NOON + at)


def _id(number: int | None) -> UUID:
    return UUID(int=next(_numbers) if number is None else number)
