"""Makes the drafts of a simulation into a snapshot of the configuration, checked like what is written for good."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from leadvibe.core.http.problems import Invalid, NotFound
from leadvibe.engine import Snapshot
from leadvibe.rulesets.repository import check_active_period
from leadvibe.rulesets.rules.attribute_filters import filters_key
from leadvibe.rulesets.surge.repository import sort_bands
from leadvibe.simulation.schemas import DraftDecay, DraftRule, DraftSurgePolicy, SimulationCreate

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    ruleset_id: str
    """Whose totals are compared."""
    snapshot: Snapshot
    """It names decays only if they are drafted."""
    event_types: Mapping[str, str]
    """The event type of every rule, live or drafted."""

    @classmethod
    def of(cls, wanted: SimulationCreate, live: Mapping[str, Any]) -> "Draft":
        """The draft over a live snapshot; Invalid, with the field's name, where it would be refused as the real one."""
        ruleset_id = _ruleset(wanted.ruleset_id, live)
        snapshot = {name: part for name, part in live.items() if name != "decays"}
        if wanted.rules is not None:
            snapshot["rules"] = _rules(wanted.rules, ruleset_id, live["rules"])
        if wanted.surge_policy is not None:
            snapshot["surge_policy"] = _surge_policy(wanted.surge_policy)
        if wanted.decays is not None:
            snapshot["decays"] = _decays(wanted.decays)
        event_types = {rule["rule_id"]: rule["event_type"] for rule in [*live["rules"], *snapshot["rules"]]}
        return cls(ruleset_id, cast("Snapshot", snapshot), event_types)

    @property
    def decays(self) -> bool:
        return "decays" in self.snapshot


def _ruleset(asked: str | None, live: Mapping[str, Any]) -> str:
    if asked is None:
        for ruleset in live["rulesets"]:
            if ruleset["is_primary"]:
                return ruleset["ruleset_id"]
        raise Invalid.field("ruleset_id", "is needed: there is no primary ruleset")
    if all(ruleset["ruleset_id"] != asked for ruleset in live["rulesets"]):
        raise NotFound("ruleset_id: there is no such ruleset", fields={"ruleset_id": "there is no such ruleset"})
    return asked


def _rules(drafts: Sequence[DraftRule], ruleset_id: str, live: Iterable[Config]) -> list[Config]:
    others = [rule for rule in live if rule["ruleset_id"] != ruleset_id]
    taken = {rule["rule_id"] for rule in others}
    asked: set[tuple[str, str]] = set()
    rules: list[Config] = []
    for number, draft in enumerate(drafts):
        with _within(f"rules.{number}"):
            check_active_period(draft.values(), None)
            if draft.ruleset_id not in {None, ruleset_id}:
                raise Invalid.field("ruleset_id", "must be the ruleset that the simulation is about")
            config = draft.model_dump(mode="json", exclude={"icon"})
            config |= {"ruleset_id": ruleset_id, "rule_id": _own_id(draft.rule_id, number, taken, "rule_id")}
            what = (draft.event_type, filters_key(config["attribute_filters"]))
            if what in asked:
                raise Invalid.field("event_type", "has a rule with the same attribute filters already")
            asked.add(what)
            rules.append(config)
    return [*others, *rules]


def _surge_policy(draft: DraftSurgePolicy) -> Config:
    policy = draft.values()
    if draft.mode == "custom":
        with _within("surge_policy"):
            policy["bands"] = sort_bands(policy["bands"])
    return policy


def _decays(drafts: Sequence[DraftDecay]) -> list[Config]:
    taken: set[str] = set()
    decays: list[Config] = []
    for number, draft in enumerate(drafts):
        with _within(f"decays.{number}"):
            decay_id = _own_id(draft.decay_id, number, taken, "decay_id")
        if draft.active:
            config = draft.model_dump(include={"inactive_for", "unit", "decrease"})
            decays.append({"decay_id": decay_id, **config})
    return decays


def _own_id(sent: str | None, number: int, taken: set[str], field: str) -> str:
    """The id that a draft has, or one for a new object; no other may have it."""
    own = sent or f"draft_{number + 1}"
    if own in taken:
        raise Invalid.field(field, "belongs to another one")
    taken.add(own)
    return own


@contextmanager
def _within(path: str) -> Generator[None]:
    """Name the fields that are wrong by their whole path."""
    try:
        yield
    except Invalid as error:
        fields = {f"{path}.{field}": message for field, message in error.fields.items()}
        raise Invalid("; ".join(f"{field}: {message}" for field, message in fields.items()), fields=fields) from None
