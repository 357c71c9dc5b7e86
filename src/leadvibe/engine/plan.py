"""A configuration compiled to judge events."""

from collections.abc import Mapping
from dataclasses import dataclass

from leadvibe.engine.configuration import Configuration, EventTypeConfig, Scope
from leadvibe.engine.filters import VelocityFilter, velocity_filters
from leadvibe.engine.instants import MINUTE, Microseconds
from leadvibe.engine.rules import NO_RULES, EventTypeRules, rules_by_type
from leadvibe.engine.surge import SurgePolicy


@dataclass(frozen=True, slots=True)
class EventTypePlan:
    """How events of one type are judged."""

    scope: Scope = "activate"
    filters: tuple[VelocityFilter, ...] = ()
    rules: EventTypeRules = NO_RULES
    """None if the type is hidden or only observed."""


DEFAULT_EVENT_TYPE_PLAN = EventTypePlan()


@dataclass(frozen=True, slots=True)
class ScoringPlan:
    """How events are judged under one configuration."""

    version: int | None
    """None for a draft."""
    surge: SurgePolicy
    session_timeout: Microseconds
    event_type_plans: Mapping[str, EventTypePlan]

    @classmethod
    def of(cls, version: int | None, configuration: Configuration) -> "ScoringPlan":
        return cls(
            version,
            SurgePolicy.of(configuration.surge_policy),
            configuration.session_timeout_minutes * MINUTE,
            _event_type_plans(configuration),
        )

    def for_type(self, event_type: str) -> EventTypePlan:
        return self.event_type_plans.get(event_type, DEFAULT_EVENT_TYPE_PLAN)


def _event_type_plans(configuration: Configuration) -> dict[str, EventTypePlan]:
    rules = rules_by_type(configuration)
    filters = velocity_filters(configuration)
    configs = configuration.event_types
    plans: dict[str, EventTypePlan] = {}
    for event_type in {*rules, *configs, *(velocity.event_type for velocity in filters)}:
        config = configs.get(event_type, EventTypeConfig())
        scope = "observe" if config.hidden else config.max_processing_scope
        plans[event_type] = EventTypePlan(
            scope,
            tuple(velocity for velocity in filters if velocity.event_type == event_type),
            NO_RULES if scope == "observe" else rules.get(event_type, NO_RULES),
        )
    return plans
