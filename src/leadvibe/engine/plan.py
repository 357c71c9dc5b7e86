"""One snapshot of the configuration, compiled to judge events."""

from collections.abc import Mapping
from dataclasses import dataclass

from leadvibe.engine.configuration import Scope, Snapshot
from leadvibe.engine.filters import VelocityFilter, velocity_filters
from leadvibe.engine.instants import MINUTE
from leadvibe.engine.rules import NO_RULES, TypeRules, rules_by_type
from leadvibe.engine.surge import SurgePolicy


@dataclass(frozen=True, slots=True)
class EventTypePlan:
    """How one event type is dealt with."""

    scope: Scope = "activate"
    filters: tuple[VelocityFilter, ...] = ()
    rules: TypeRules = NO_RULES
    """Those that score it: none if it is hidden or only observed."""


@dataclass(frozen=True, slots=True)
class ScoringPlan:
    """One snapshot, as far as it judges events."""

    version: int | None
    """None for a draft."""
    surge: SurgePolicy
    session_timeout: int
    event_type_plans: Mapping[str, EventTypePlan]

    @classmethod
    def of(cls, version: int | None, snapshot: Snapshot) -> "ScoringPlan":
        return cls(
            version,
            SurgePolicy.of(snapshot.get("surge_policy")),
            snapshot.get("session_timeout_minutes", 30) * MINUTE,
            _treatments(snapshot),
        )


def _treatments(snapshot: Snapshot) -> dict[str, EventTypePlan]:
    rules = rules_by_type(snapshot)
    filters = velocity_filters(snapshot)
    configs = snapshot.get("event_types", {})
    event_type_plans: dict[str, EventTypePlan] = {}
    for event_type in {*rules, *configs, *(velocity.event_type for velocity in filters)}:
        config = configs.get(event_type, {})
        scope = "observe" if config.get("hidden", False) else config.get("max_processing_scope", "activate")
        event_type_plans[event_type] = EventTypePlan(
            scope,
            tuple(velocity for velocity in filters if velocity.event_type == event_type),
            NO_RULES if scope == "observe" else rules.get(event_type, NO_RULES),
        )
    return event_type_plans


DEFAULT_EVENT_TYPE_PLAN = EventTypePlan()
