"""Applies the drafts of a simulation to the live configuration, with the checks of a real change."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec

from leadvibe.core.http.problems import Invalid, NotFound
from leadvibe.engine import Configuration
from leadvibe.engine.configuration import DecayConfig, RuleConfig, RulesetConfig, SurgeConfig
from leadvibe.rulesets.repository import check_active_period
from leadvibe.rulesets.rules.attribute_filters import filters_key
from leadvibe.rulesets.surge.repository import sort_bands
from leadvibe.simulation.schemas import DraftDecay, DraftRule, DraftSurgePolicy, SimulationCreate


@dataclass(frozen=True, slots=True)
class Draft:
    ruleset_id: str
    """The ruleset whose totals are compared."""
    configuration: Configuration
    drafts_decays: bool
    """Whether the draft replaces the decay rules."""
    event_types: Mapping[str, str]
    """The event type of every rule, live or drafted."""

    @classmethod
    def of(cls, request: SimulationCreate, live: Configuration) -> "Draft":
        """Apply the drafts to the live configuration.

        Raises Invalid with the field's path if a real change with these values would be rejected.
        """
        ruleset_id = _ruleset_id(request.ruleset_id, live.rulesets)
        configuration = live
        if request.rules is not None:
            configuration = replace(configuration, rules=_rules(request.rules, ruleset_id, live.rules))
        if request.surge_policy is not None:
            configuration = replace(configuration, surge_policy=_surge_policy(request.surge_policy))
        if request.decays is not None:
            configuration = replace(configuration, decays=_decays(request.decays))
        event_types = {rule.rule_id: rule.event_type for rule in [*live.rules, *configuration.rules]}
        return cls(ruleset_id, configuration, request.decays is not None, event_types)


def _ruleset_id(requested: str | None, rulesets: Iterable[RulesetConfig]) -> str:
    for ruleset in rulesets:
        if ruleset.is_primary if requested is None else ruleset.ruleset_id == requested:
            return ruleset.ruleset_id
    if requested is None:
        raise Invalid.field("ruleset_id", "is needed: there is no primary ruleset")
    raise NotFound("ruleset_id: no ruleset has this id", fields={"ruleset_id": "no ruleset has this id"})


def _rules(drafts: Sequence[DraftRule], ruleset_id: str, live: Iterable[RuleConfig]) -> tuple[RuleConfig, ...]:
    others = [rule for rule in live if rule.ruleset_id != ruleset_id]
    used_ids = {rule.rule_id for rule in others}
    conditions: set[tuple[str, str]] = set()
    rules: list[RuleConfig] = []
    for number, draft in enumerate(drafts):
        with _within(f"rules.{number}"):
            check_active_period(draft.values(), None)
            if draft.ruleset_id not in {None, ruleset_id}:
                raise Invalid.field("ruleset_id", "must be the ruleset that the simulation is about")
            config = draft.model_dump(mode="json", exclude={"icon"})
            config |= {"ruleset_id": ruleset_id, "rule_id": _draft_id(draft.rule_id, number, used_ids, "rule_id")}
            condition = (draft.event_type, filters_key(config["attribute_filters"]))
            if condition in conditions:
                raise Invalid.field("event_type", "has a rule with the same attribute filters already")
            conditions.add(condition)
            rules.append(msgspec.convert(config, RuleConfig))
    return (*others, *rules)


def _surge_policy(draft: DraftSurgePolicy) -> SurgeConfig:
    policy = draft.values()
    if draft.mode == "custom":
        with _within("surge_policy"):
            policy["bands"] = sort_bands(policy["bands"])
    return msgspec.convert(policy, SurgeConfig)


def _decays(drafts: Sequence[DraftDecay]) -> tuple[DecayConfig, ...]:
    used_ids: set[str] = set()
    decays: list[DecayConfig] = []
    for number, draft in enumerate(drafts):
        with _within(f"decays.{number}"):
            decay_id = _draft_id(draft.decay_id, number, used_ids, "decay_id")
        if draft.active:
            decays.append(
                DecayConfig(
                    decay_id=decay_id, inactive_for=draft.inactive_for, unit=draft.unit, decrease=draft.decrease
                )
            )
    return tuple(decays)


def _draft_id(sent: str | None, number: int, used_ids: set[str], field: str) -> str:
    """The id of a draft, or a new one if it has none; adds it to the used ids."""
    draft_id = sent or f"draft_{number + 1}"
    if draft_id in used_ids:
        raise Invalid.field(field, "belongs to another one")
    used_ids.add(draft_id)
    return draft_id


@contextmanager
def _within(path: str) -> Generator[None]:
    """Put the path before the names of the invalid fields."""
    try:
        yield
    except Invalid as error:
        fields = {f"{path}.{field}": message for field, message in error.fields.items()}
        raise Invalid("; ".join(f"{field}: {message}" for field, message in fields.items()), fields=fields) from None
