"""Rules: which of them match an event, and the points they award."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from leadvibe.engine.conditions import Comparison, Every
from leadvibe.engine.configuration import Configuration, RuleConfig, RulesetConfig
from leadvibe.engine.facts import Event
from leadvibe.engine.instants import BEGINNING, END, Instant, parse_instant

Awards = tuple[tuple[str, int], ...]
"""Id and weight of every rule that awarded points, by rule id."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """An active ruleset. It applies from `start` on and before `end`."""

    ruleset_id: str
    start: Instant
    end: Instant

    @classmethod
    def of(cls, config: RulesetConfig) -> "Ruleset":
        return cls(config.ruleset_id, parse_instant(config.start_at, BEGINNING), parse_instant(config.end_at, END))


def active_rulesets(configuration: Configuration) -> dict[str, Ruleset]:
    return {config.ruleset_id: Ruleset.of(config) for config in configuration.rulesets if config.active}


@dataclass(frozen=True, slots=True)
class Rule:
    """An active rule. It applies from `start` on and before `end`, the window that it shares with its ruleset."""

    rule_id: str
    weight: int
    start: Instant
    end: Instant
    condition: Every | None
    max_per_lead: int | None

    @classmethod
    def of(cls, config: RuleConfig, ruleset: Ruleset) -> "Rule":
        filters = config.attribute_filters
        return cls(
            config.rule_id,
            config.weight,
            max(parse_instant(config.start_at, BEGINNING), ruleset.start),
            min(parse_instant(config.end_at, END), ruleset.end),
            Every(tuple(map(Comparison.of, filters))) if filters else None,
            config.max_per_lead,
        )

    @property
    def unconditional(self) -> bool:
        always = self.start == BEGINNING and self.end == END
        return always and self.condition is None and self.max_per_lead is None

    def applies(self, event: Event, uses: Mapping[str, int]) -> bool:
        """Whether the rule awards its weight for an event, given how often each limited rule did before."""
        return (
            self.start <= event.at < self.end
            and (self.condition is None or self.condition.holds(event.metadata))
            and (self.max_per_lead is None or uses.get(self.rule_id, 0) < self.max_per_lead)
        )


class RulesetAward(NamedTuple):
    """The points that one ruleset awards for an event."""

    ruleset_id: str
    awards: Awards
    base: int
    """The sum of the weights."""

    @classmethod
    def of(cls, ruleset_id: str, rules: Iterable[Rule]) -> "RulesetAward":
        awards = tuple([(rule.rule_id, rule.weight) for rule in rules])
        return cls(ruleset_id, awards, sum([weight for _, weight in awards]))


@dataclass(frozen=True, slots=True)
class RulesetRules:
    """The rules of one ruleset for one event type."""

    ruleset_id: str
    rules: tuple[Rule, ...]
    constant: RulesetAward | None
    """The award for every event, if no rule has a time window, a condition or a limit."""

    @classmethod
    def of(cls, ruleset_id: str, rules: tuple[Rule, ...]) -> "RulesetRules":
        constant = all(rule.unconditional for rule in rules)
        return cls(ruleset_id, rules, RulesetAward.of(ruleset_id, rules) if constant else None)

    def award(self, event: Event, uses: Mapping[str, int]) -> RulesetAward:
        if self.constant is not None:
            return self.constant
        return RulesetAward.of(self.ruleset_id, [rule for rule in self.rules if rule.applies(event, uses)])


@dataclass(frozen=True, slots=True)
class EventTypeRules:
    """The rules for one event type, by ruleset."""

    rulesets: tuple[RulesetRules, ...] = ()
    constant: tuple[RulesetAward, ...] | None = ()
    """The awards for every event, if they are always the same."""

    @classmethod
    def of(cls, rulesets: Iterable[RulesetRules]) -> "EventTypeRules":
        rulesets = tuple(rulesets)
        awards = tuple(rules.constant for rules in rulesets if rules.constant is not None)
        return cls(rulesets, awards if len(awards) == len(rulesets) else None)

    def awards(self, event: Event, uses: Mapping[str, int]) -> Sequence[RulesetAward]:
        """One award for each ruleset that has a rule that applies."""
        if self.constant is not None:
            return self.constant
        awards = [rules.award(event, uses) for rules in self.rulesets]
        return [award for award in awards if award.awards]


NO_RULES = EventTypeRules()


def types_with_conditions(configuration: Configuration) -> frozenset[str]:
    """The event types for which some rule looks at the metadata."""
    return frozenset(rule.event_type for rule in configuration.rules if rule.attribute_filters)


def rules_by_type(configuration: Configuration) -> dict[str, EventTypeRules]:
    """The active rules of active rulesets, by event type."""
    rulesets = active_rulesets(configuration)
    active = [config for config in configuration.rules if config.active and config.ruleset_id in rulesets]
    active.sort(key=lambda config: (config.event_type, config.ruleset_id, config.rule_id))
    return {
        event_type: EventTypeRules.of(
            RulesetRules.of(ruleset_id, tuple(Rule.of(config, rulesets[ruleset_id]) for config in members))
            for ruleset_id, members in groupby(configs, key=lambda config: config.ruleset_id)
        )
        for event_type, configs in groupby(active, key=lambda config: config.event_type)
    }
