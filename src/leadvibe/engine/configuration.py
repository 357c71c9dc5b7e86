"""The shape of a configuration snapshot: plain JSON, ids as strings, times in RFC 3339."""

from typing import Literal, NotRequired, TypedDict

Scope = Literal["observe", "decide", "activate"]
FilterValue = str | int | float | bool | None


class RulesetConfig(TypedDict):
    ruleset_id: str
    active: NotRequired[bool]
    is_primary: NotRequired[bool]
    start_at: NotRequired[str | None]
    end_at: NotRequired[str | None]


class AttributeFilter(TypedDict):
    field: str
    operator: str
    value: NotRequired[FilterValue | list[FilterValue]]


class RuleConfig(TypedDict):
    rule_id: str
    ruleset_id: str
    event_type: str
    weight: int
    active: NotRequired[bool]
    start_at: NotRequired[str | None]
    end_at: NotRequired[str | None]
    attribute_filters: NotRequired[list[AttributeFilter] | None]
    max_per_lead: NotRequired[int | None]


class BandConfig(TypedDict):
    min_events: int
    max_events: NotRequired[int | None]
    multiplier: float


SurgeMode = Literal["off", "standard", "gentle", "custom"]


class EffectiveSurge(TypedDict):
    mode: SurgeMode
    bands: list[BandConfig]
    idle_reset_seconds: int
    multiplier_cap: float


class SurgeConfig(TypedDict):
    mode: SurgeMode
    bands: NotRequired[list[BandConfig] | None]
    idle_reset_seconds: NotRequired[int | None]
    multiplier_cap: NotRequired[float | None]


class FilterConfig(TypedDict):
    filter_id: str
    event_type: str
    count_threshold: int
    time_window_ms: int
    group_events: NotRequired[bool]


class DecayConfig(TypedDict):
    decay_id: str
    inactive_for: int
    unit: Literal["hours", "days", "weeks"]
    decrease: int


class EventTypeConfig(TypedDict):
    hidden: NotRequired[bool]
    max_processing_scope: NotRequired[Scope]


class Snapshot(TypedDict, total=False):
    """Everything that scoring depends on; an absent key is the neutral default."""

    rulesets: list[RulesetConfig]
    rules: list[RuleConfig]
    surge_policy: SurgeConfig | None
    filters: list[FilterConfig]
    decays: list[DecayConfig]
    event_types: dict[str, EventTypeConfig]
    allow_negative_scores: bool
    session_timeout_minutes: int
