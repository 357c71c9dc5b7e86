"""Drafts of the configuration as they come in, and what they would have done as it goes out."""

from typing import Any, ClassVar, Literal

from pydantic import Field, computed_field

from leadvibe.core.http.schemas import LeadId, Line, PlainText, Read, Write
from leadvibe.rulesets.decays.schemas import DecayCreate
from leadvibe.rulesets.rules.schemas import RuleCreate
from leadvibe.rulesets.schemas import ConfigurationWrite
from leadvibe.rulesets.surge.schemas import Bands, IdleReset, Mode, MultiplierCap

MOST_DRAFTS = 1000
LONGEST_WINDOW = 3650


def _named(sent: dict[str, Any], name: str) -> dict[str, Any]:
    """`id` is another name of the object's own id; what was read before carries both."""
    id_ = sent.pop("id", None)
    return {name: id_, **sent}


class DraftRule(RuleCreate):
    """A rule as it might be; with the id of a live one it takes that one's place."""

    ignored: ClassVar[set[str]] = ConfigurationWrite.ignored - {"id"}

    rule_id: Line | None = None

    @classmethod
    def rename_aliases(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return super().rename_aliases(_named(fields, "rule_id"))


class DraftDecay(DecayCreate):
    """A decay rule as it might be; with the id of a live one it has that one's lifetime."""

    ignored: ClassVar[set[str]] = ConfigurationWrite.ignored - {"id"}

    decay_id: Line | None = None

    @classmethod
    def rename_aliases(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return super().rename_aliases(_named(fields, "decay_id"))


class DraftSurgePolicy(ConfigurationWrite):
    """A whole surge policy; what a mode brings with it needs no sending."""

    mode: Mode
    bands: Bands = None
    idle_reset_seconds: IdleReset = None
    multiplier_cap: MultiplierCap = None


class SimulationCreate(Write):
    """What is absent stays as it is live."""

    days: int = Field(default=90, ge=1, le=LONGEST_WINDOW, strict=True, description="How far back the draft reaches")
    ruleset_id: PlainText | None = Field(
        default=None, description="Whose rules and totals it is about; by default the primary ruleset"
    )
    rules: list[DraftRule] | None = Field(
        default=None, max_length=MOST_DRAFTS, description="All the rules of the ruleset; those of others stay"
    )
    surge_policy: DraftSurgePolicy | None = None
    decays: list[DraftDecay] | None = Field(
        default=None,
        max_length=MOST_DRAFTS,
        description="All the decay rules of the OU; new ones exist since the window's beginning",
    )


class BucketRead(Read):
    """How many leads have a score from `min` to `max`, both included; null is without limit."""

    min: int | None
    max: int | None
    leads: int


class DistributionRead(Read):
    """The same buckets before and after."""

    before: list[BucketRead]
    after: list[BucketRead]


class ReasonRead(Read):
    """What one cause gave in all, live and under the draft. The changes of a lead's reasons add up to its own."""

    kind: Literal["rule", "surge", "decay", "adjustment", "reset", "floor"] = Field(
        description="`rule` is what the rule's weights gave; `surge` what surges added to them, `floor` what the floor "
        "and the lifting of negatives gave back"
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
    lead_id: str
    before: int
    after: int
    reasons: list[ReasonRead] = Field(description="The strongest first")


class SimulationRead(Read):
    """What the draft would have made of the scores: `before` is what they are now, `after` what they would be."""

    leads: int = Field(description="All leads with a history")
    events: int = Field(description="Their events within the window")
    distribution: DistributionRead
    up: int
    down: int
    unchanged: int
    movers: list[MoverRead] = Field(description="The leads that would move furthest, 20 at most")
    levels: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    milestones: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])


class RuleTestCreate(Write):
    lead_id: LeadId
    rule: RuleCreate


class RuleTestRead(Read):
    """What a rule finds among a lead's events; nothing is stored. Each field also has its older name."""

    matches: bool
    reason: str
    current_score: int
    projected_score: int = Field(description="The current score and the rule's weight for every matching event")
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
