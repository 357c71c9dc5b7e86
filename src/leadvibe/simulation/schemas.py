"""Request and response bodies for simulations and rule tests."""

from typing import Any, Final, Literal, cast

from pydantic import Field, ValidationInfo, computed_field, field_validator

from leadvibe.config import settings
from leadvibe.core.http.schemas import Line, PlainText, Read, Write
from leadvibe.identity.identifiers import LeadId
from leadvibe.rulesets.decays.schemas import DecayCreate
from leadvibe.rulesets.rules.schemas import RuleCreate
from leadvibe.rulesets.schemas import ConfigurationWrite
from leadvibe.rulesets.surge.schemas import Bands, IdleReset, Mode, MultiplierCap

HOURS: Final = {"hours": 1, "days": 24, "weeks": 168}


def _rename_id(sent: dict[str, Any], name: str) -> dict[str, Any]:
    """Accept `id` as another name of `name`. Objects that were read from the API have both."""
    id_ = sent.pop("id", None)
    return {name: id_, **sent}


class DraftRule(RuleCreate):
    """A draft rule. With the id of an existing rule, it replaces that rule."""

    rule_id: Line | None = None

    @classmethod
    def rename_aliases(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return super().rename_aliases(_rename_id(fields, "rule_id"))


class DraftDecay(DecayCreate):
    """A draft decay rule. With the id of an existing decay rule, it has existed as long as that one."""

    decay_id: Line | None = None

    @classmethod
    def rename_aliases(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return super().rename_aliases(_rename_id(fields, "decay_id"))


class DraftSurgePolicy(ConfigurationWrite):
    """A draft surge policy. The settings that a mode implies can be left out."""

    mode: Mode
    bands: Bands = None
    idle_reset_seconds: IdleReset = None
    multiplier_cap: MultiplierCap = None


class SimulationCreate(Write):
    """A draft of the configuration. Parts that are left out stay as they are."""

    days: int = Field(
        default=90,
        ge=1,
        strict=True,
        description="The number of past days whose events the draft scores, at most 3,650",
    )
    ruleset_id: PlainText | None = Field(
        default=None, description="The ruleset whose rules and totals are simulated; by default the primary ruleset"
    )
    rules: list[DraftRule] | None = Field(
        default=None,
        description="All rules of the ruleset, at most 1,000. The rules of other rulesets stay as they are",
    )
    surge_policy: DraftSurgePolicy | None = None
    decays: list[DraftDecay] | None = Field(
        default=None,
        description="All decay rules of the OU, at most 100. New ones apply from the first of the simulated `days`",
    )

    @field_validator("days")
    @classmethod
    def _check_days(cls, days: int) -> int:
        check_limit(days, settings().simulation_days, "LEADVIBE_SIMULATION_DAYS", "days")
        return days

    @field_validator("rules", mode="before")
    @classmethod
    def _check_number_of_rules(cls, rules: Any) -> Any:
        check_number(rules, settings().simulation_rules, "LEADVIBE_SIMULATION_RULES", "rules")
        return rules

    @field_validator("decays", mode="before")
    @classmethod
    def _check_number_of_decays(cls, decays: Any) -> Any:
        check_number(decays, settings().simulation_decays, "LEADVIBE_SIMULATION_DECAYS", "decay rules")
        return decays

    @field_validator("rules")
    @classmethod
    def _check_filter_values(cls, rules: list[DraftRule] | None) -> list[DraftRule] | None:
        values = (condition.value for rule in rules or () for condition in rule.attribute_filters)
        number = sum(len(value) if isinstance(value, list) else 1 for value in values)
        limit = settings().simulation_filter_values
        check_limit(number, limit, "LEADVIBE_SIMULATION_FILTER_VALUES", "values in attribute filters")
        return rules

    @field_validator("decays")
    @classmethod
    def _check_decay_steps(cls, decays: list[DraftDecay] | None, info: ValidationInfo) -> list[DraftDecay] | None:
        hours = info.data.get("days", 0) * HOURS["days"]
        steps = sum(hours // (decay.inactive_for * HOURS[decay.unit]) for decay in decays or () if decay.active)
        limit = settings().simulation_decay_steps
        check_limit(steps, limit, "LEADVIBE_SIMULATION_DECAY_STEPS", "due decays within `days`")
        return decays


def check_limit(number: int, limit: int, setting: str, things: str) -> None:
    """Raise ValueError if there are more things in a draft than this setting allows."""
    if number > limit:
        raise ValueError(f"must have at most {limit:,} {things} ({setting}), but has {number:,}")


def check_number(sent: object, limit: int, setting: str, things: str) -> None:
    """Check the length of a list before its items are validated, because that takes long for many."""
    if isinstance(sent, list):
        check_limit(len(cast("list[object]", sent)), limit, setting, things)


class BucketRead(Read):
    """The number of leads with a score from `min` to `max`, both included. Null means no limit."""

    min: int | None
    max: int | None
    leads: int


class DistributionRead(Read):
    """The distribution of scores over the same buckets, before and after."""

    before: list[BucketRead]
    after: list[BucketRead]


class ReasonRead(Read):
    """The points from one cause, before and after. The changes of all reasons add up to the change of the score."""

    kind: Literal["rule", "surge", "decay", "adjustment", "reset", "floor"] = Field(
        description="`rule`: the weights of one rule; `surge`: points added by surges; `floor`: points given back by "
        "the score floor, or when negative totals were set to zero"
    )
    rule_id: str | None
    event_type: str | None
    before: int
    after: int

    @computed_field
    @property
    def change(self) -> int:
        return self.after - self.before


class MoverRead(Read):
    """A lead whose score would change."""

    lead_id: str
    before: int
    after: int
    reasons: list[ReasonRead] = Field(description="Largest change first")


class SimulationRead(Read):
    """The scores now (`before`) and with the draft (`after`)."""

    leads: int = Field(description="The number of leads with a history")
    events: int = Field(description="The number of their events within `days`")
    distribution: DistributionRead
    up: int
    down: int
    unchanged: int
    movers: list[MoverRead] = Field(description="The leads whose scores would change most, at most 20")
    levels: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    milestones: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])


class RuleTestCreate(Write):
    """A rule and the lead to test it on."""

    lead_id: LeadId
    rule: RuleCreate


class RuleTestRead(Read):
    """The result of a rule test. Some fields are repeated under their older names in camel case."""

    matches: bool
    reason: str
    current_score: int
    projected_score: int = Field(description="The current score plus the rule's weight for each matching event")
    matching_events: int

    @computed_field(alias="currentScore")
    @property
    def score_now(self) -> int:
        return self.current_score

    @computed_field(alias="projectedScore")
    @property
    def score_then(self) -> int:
        return self.projected_score

    @computed_field(alias="matchingEvents")
    @property
    def matches_found(self) -> int:
        return self.matching_events
