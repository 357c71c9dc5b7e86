"""Which rules match an event, and what they award."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from leadvibe.engine.conditions import Comparison, Condition, Every
from leadvibe.engine.configuration import RuleConfig, RulesetConfig, Snapshot
from leadvibe.engine.facts import Event
from leadvibe.engine.instants import BEGINNING, END, parsed

Awards = tuple[tuple[str, int], ...]
"""Rule and weight of every rule that paid, by rule id."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    ruleset_id: str
    start: int
    end: int

    @classmethod
    def of(cls, config: RulesetConfig) -> "Ruleset":
        return cls(
            config["ruleset_id"],
            parsed(config.get("start_at"), BEGINNING),
            parsed(config.get("end_at"), END),
        )


def active_rulesets(snapshot: Snapshot) -> dict[str, Ruleset]:
    return {
        config["ruleset_id"]: Ruleset.of(config)
        for config in snapshot.get("rulesets", ())
        if config.get("active", True)
    }


@dataclass(frozen=True, slots=True)
class Rule:
    """One active rule of an active ruleset, its window cut to its ruleset's."""

    rule_id: str
    weight: int
    start: int
    end: int
    condition: Condition | None
    max_per_lead: int | None

    @classmethod
    def of(cls, config: RuleConfig, ruleset: Ruleset) -> "Rule":
        filters = config.get("attribute_filters")
        return cls(
            config["rule_id"],
            config["weight"],
            max(parsed(config.get("start_at"), BEGINNING), ruleset.start),
            min(parsed(config.get("end_at"), END), ruleset.end),
            Every(tuple(map(Comparison.of, filters))) if filters else None,
            config.get("max_per_lead"),
        )

    @property
    def unconditional(self) -> bool:
        always = self.start == BEGINNING and self.end == END
        return always and self.condition is None and self.max_per_lead is None

    def pays(self, event: Event, uses: Mapping[str, int]) -> bool:
        return (
            self.start <= event.at < self.end
            and (self.condition is None or self.condition.holds(event.metadata))
            and (self.max_per_lead is None or uses.get(self.rule_id, 0) < self.max_per_lead)
        )


class Award(NamedTuple):
    """What one ruleset gives for an event."""

    ruleset_id: str
    paid: Awards
    base: int

    @classmethod
    def of(cls, ruleset_id: str, rules: Iterable[Rule]) -> "Award":
        paid = tuple([(rule.rule_id, rule.weight) for rule in rules])
        return cls(ruleset_id, paid, sum([weight for _, weight in paid]))


@dataclass(frozen=True, slots=True)
class Group:
    """One ruleset's rules for one event type."""

    ruleset_id: str
    rules: tuple[Rule, ...]
    constant: Award | None
    """What they give for every event, if none has a window, a condition or a limit."""

    @classmethod
    def of(cls, ruleset_id: str, rules: tuple[Rule, ...]) -> "Group":
        constant = all(rule.unconditional for rule in rules)
        return cls(ruleset_id, rules, Award.of(ruleset_id, rules) if constant else None)

    def award(self, event: Event, uses: Mapping[str, int]) -> Award:
        if self.constant is not None:
            return self.constant
        return Award.of(self.ruleset_id, [rule for rule in self.rules if rule.pays(event, uses)])


@dataclass(frozen=True, slots=True)
class TypeRules:
    """The rules for one event type, by ruleset."""

    groups: tuple[Group, ...] = ()
    constant: tuple[Award, ...] | None = ()
    """What they give for every event, if that is always the same."""

    @classmethod
    def of(cls, groups: Iterable[Group]) -> "TypeRules":
        groups = tuple(groups)
        awards = tuple(group.constant for group in groups if group.constant is not None)
        return cls(groups, awards if len(awards) == len(groups) else None)

    def awards(self, event: Event, uses: Mapping[str, int]) -> Sequence[Award]:
        """One for every ruleset in which a rule pays."""
        if self.constant is not None:
            return self.constant
        awards = [group.award(event, uses) for group in self.groups]
        return [award for award in awards if award.paid]


NO_RULES = TypeRules()


def types_with_conditions(snapshot: Snapshot) -> frozenset[str]:
    """The event types of which some rule asks what is in the metadata."""
    return frozenset(rule["event_type"] for rule in snapshot.get("rules", ()) if rule.get("attribute_filters"))


def rules_by_type(snapshot: Snapshot) -> dict[str, TypeRules]:
    """The rules that are active in an active ruleset."""
    rulesets = active_rulesets(snapshot)
    live = [
        config
        for config in snapshot.get("rules", ())
        if config.get("active", True) and config["ruleset_id"] in rulesets
    ]
    live.sort(key=lambda config: (config["event_type"], config["ruleset_id"], config["rule_id"]))
    return {
        event_type: TypeRules.of(
            Group.of(ruleset_id, tuple(Rule.of(config, rulesets[ruleset_id]) for config in members))
            for ruleset_id, members in groupby(configs, key=lambda config: config["ruleset_id"])
        )
        for event_type, configs in groupby(live, key=lambda config: config["event_type"])
    }
