"""The scoring configuration of an OU as frozen values: ids are strings, times are RFC 3339 texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scope = Literal["observe", "decide", "activate"]
FilterValue = str | int | float | bool | None
DecayUnit = Literal["hours", "days", "weeks"]
SurgeMode = Literal["off", "standard", "gentle", "custom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesetConfig:
    ruleset_id: str
    active: bool = True
    is_primary: bool = False
    start_at: str | None = None
    end_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFilterConfig:
    """A condition on one property. If `value` is a tuple, any of its values may match."""

    field: str
    operator: str
    value: FilterValue | tuple[FilterValue, ...] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleConfig:
    rule_id: str
    ruleset_id: str
    event_type: str
    weight: int
    active: bool = True
    start_at: str | None = None
    end_at: str | None = None
    attribute_filters: tuple[AttributeFilterConfig, ...] = ()
    """All of them must hold."""
    max_per_lead: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BandConfig:
    """The multiplier from the `min_events`-th to the `max_events`-th scoring event of a surge, both included."""

    min_events: int
    max_events: int | None = None
    multiplier: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SurgeConfig:
    """A surge policy as an OU sets it. The mode's preset supplies what is None."""

    mode: SurgeMode
    bands: tuple[BandConfig, ...] | None = None
    idle_reset_seconds: int | None = None
    multiplier_cap: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSurge:
    """A surge policy with every value set."""

    mode: SurgeMode
    bands: tuple[BandConfig, ...]
    idle_reset_seconds: int
    multiplier_cap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterConfig:
    """A velocity filter: more than `count_threshold` events of a type within the window are suppressed."""

    filter_id: str
    event_type: str
    count_threshold: int
    time_window_ms: int
    group_events: bool = False
    """The first event of each burst counts all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecayConfig:
    """A decay rule: a lead loses `decrease` points after each `inactive_for` units without activity."""

    decay_id: str
    inactive_for: int
    unit: DecayUnit
    decrease: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypeConfig:
    hidden: bool = False
    max_processing_scope: Scope = "activate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that scoring depends on, besides a lead's history."""

    rulesets: tuple[RulesetConfig, ...] = ()
    rules: tuple[RuleConfig, ...] = ()
    surge_policy: SurgeConfig | None = None
    decays: tuple[DecayConfig, ...] = ()
    """The active decay rules."""
    filters: tuple[FilterConfig, ...] = ()
    event_types: Mapping[str, EventTypeConfig] = field(default_factory=dict[str, EventTypeConfig])
    """Event types without an entry have the defaults."""
    allow_negative_scores: bool = False
    session_timeout_minutes: int = 30
