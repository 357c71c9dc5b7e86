"""Scores and their explanations, as the API takes and shows them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictInt, computed_field

from leadvibe.core import ids
from leadvibe.core.http.schemas import EventId, PlainText, Read, Time, Write

PRIMARY = "primary"
MOST_POINTS = 1_000_000_000


class ScoreRead(Read):
    """A lead's score now. `score` is the total in `ruleset_id`; the maps hold every ruleset's total."""

    lead_id: str
    score: int
    ruleset_id: str | None
    engagement_scores: dict[str, int]
    profile_scores: dict[str, int] = Field(default_factory=dict)


class PastScoreRead(ScoreRead):
    """The score as it stood at `at`, as it was believed at `known_at`."""

    at: Time
    known_at: Time


class SnapshotRead(Read):
    snapshot_at: Time
    score: int
    ruleset_id: str


class PeriodRead(Read):
    start: Time
    end: Time


class ScoreHistoryRead(Read):
    """The total at the top of every hour, and at every reset."""

    lead_id: str
    snapshots: list[SnapshotRead]
    count: int
    period: PeriodRead


class HistoryQuery(Write):
    """Which part of the history."""

    days: int = Field(default=30, ge=1, le=90, description="How far back; not with `start_date`")
    start_date: Time | None = None
    end_date: Time | None = None
    ruleset_id: PlainText | None = Field(default=None, description="By default the primary ruleset")


class BatchScoreRead(Read):
    lead_id: str
    score: int
    ruleset_id: str | None


class ScoreBatch(Write):
    lead_ids: list[PlainText] = Field(min_length=1, max_length=500)
    ruleset: PlainText = Field(default=PRIMARY, description="`primary`, or a ruleset's id or name")


class AwardRead(Read):
    """What one rule paid, at the weight it had when the event was judged; the rule may be deleted since."""

    rule_id: str
    weight: int


class RulesetEffectRead(Read):
    """What an event did to the total in one ruleset.

    `base` is the sum of the weights, `points` is `base` times `multiplier`, and `delta` is what the total really moved
    by: less than `points` where the floor held it.
    """

    ruleset_id: str
    ruleset_name: str | None
    before: int
    after: int
    rules: list[AwardRead]
    base: int
    multiplier: float = Field(description="Of the surge; 1 when there was none")
    points: int
    applied: int

    @computed_field
    @property
    def delta(self) -> int:
        return self.applied

    @computed_field
    @property
    def score_delta(self) -> int:
        return self.applied

    @computed_field
    @property
    def score_before(self) -> int:
        return self.before

    @computed_field
    @property
    def score_after(self) -> int:
        return self.after


class EventExplanationRead(Read):
    event_id: EventId
    lead_id: str
    event_type: str
    occurred_at: Time
    suppression_reason: str | None
    rulesets: list[RulesetEffectRead]

    @computed_field
    @property
    def id(self) -> str:
        return self.event_id


class ExplainQuery(Write):
    """Which total, and since when."""

    hours: int = Field(default=24, ge=1, le=100_000, description="How far back, though never beyond the last reset")
    all: bool = Field(default=False, description="Everything since the last reset, whatever `hours` says")
    ruleset_id: PlainText | None = Field(default=None, description="By default the primary ruleset")


class RuleNowRead(Read):
    """A rule that pays today."""

    rule_id: str
    event_type: str
    weight: int
    filter_label: str | None = Field(default=None, exclude_if=lambda label: label is None)


class DriverRead(RuleNowRead):
    """What a rule paid at a weight that it had, surge and floor apart; it may be changed or deleted since."""

    count: int
    total: int = Field(description="`count` times `weight`")


class SurgeBoostRead(Read):
    """What surges added to the points of one type of event."""

    event_type: str
    count: int
    boost: int


class LeadExplanationRead(Read):
    """What moved a lead's total in one ruleset.

    `drivers_total + surge_total + decay_applied + adjustments + floor_adjustment = score_change`, and with `all=true`
    `score_change` is the score itself.
    """

    lead_id: str
    ruleset_id: str | None
    ruleset_name: str | None
    score: int
    score_change: int = Field(description="How far the total moved after `since`")
    since: Time | None = Field(description="Null: from the lead's beginning")
    range_hours: int | None = Field(description="The hours asked for; null with `all`")
    top_drivers: list[DriverRead] = Field(description="All that paid, the strongest first")
    drivers_total: int
    snapshot: list[RuleNowRead] = Field(description="The ruleset's rules as they are now, the heaviest first")
    surge_boost: list[SurgeBoostRead]
    surge_total: int
    surge_event_count: int
    decay_applied: int = Field(description="What silence cost: never positive")
    adjustments: int = Field(description="What adjustments by hand really did")
    floor_adjustment: int = Field(
        description="What the floor gave back of events' points, and what negatives lifted to zero gave back"
    )
    inorganic_count: int = Field(description="Events after `since` that were suppressed")
    score_reset_at: Time | None
    reset_excluded_count: int = Field(description="Events that no longer count because a reset took them in")


class SessionRead(Read):
    """Activity of one lead without a longer pause than the OU's session timeout."""

    session_id: Annotated[str, BeforeValidator(lambda value: ids.show("ss", value))]
    lead_id: str
    start: Time
    end: Time
    duration_seconds: float
    event_count: int
    entry: str = Field(description="The type of its first event")
    exit: str = Field(description="The type of its last event")
    total_points: int = Field(description="What its events did to the score")
    source: str | None = Field(description="The channel of its first event")
    status: Literal["active", "ended"] = Field(description="Active while another event may still join it")

    @computed_field
    @property
    def id(self) -> str:
        return self.session_id


class AdjustmentCreate(Write):
    points: StrictInt = Field(ge=-MOST_POINTS, le=MOST_POINTS, description="What to give; negative to take")
    reason: PlainText | None = Field(default=None, max_length=500)
    ruleset_id: PlainText | None = Field(default=None, description="By default the primary ruleset")


class AdjustmentRead(Read):
    """`points_added` is what the floor left of the points."""

    lead_id: str
    ruleset_id: str
    points_added: int
    score: int


class ResetRead(Read):
    """`previous_scores` holds what each ruleset's total was."""

    status: str
    lead_id: str
    previous_scores: dict[str, int]
