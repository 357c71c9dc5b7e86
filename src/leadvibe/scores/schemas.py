"""Request and response bodies for scores, history, explanations, sessions, resets and adjustments."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictInt, computed_field

from leadvibe.core import ids
from leadvibe.core.http.merged_from import MergedFrom
from leadvibe.core.http.schemas import EventId, PlainText, QueryParameters, QueryTime, Read, Time, Write

PRIMARY = "primary"
MAX_POINTS = 1_000_000_000


class ScoreRead(Read):
    """A lead's score now.

    `score` is the total in `ruleset_id`; `engagement_scores` and `profile_scores` have the total of every ruleset.
    """

    lead_id: str
    score: int
    ruleset_id: str | None
    engagement_scores: dict[str, int]
    profile_scores: dict[str, int] = Field(default_factory=dict)
    merged_from: MergedFrom = None


class PastScoreRead(ScoreRead):
    """The score at `at`, computed from what the server knew at `known_at`."""

    at: Time
    known_at: Time


class HistoryPointRead(Read):
    """The total in a ruleset at one instant."""

    snapshot_at: Time
    score: int
    ruleset_id: str


class PeriodRead(Read):
    start: Time
    end: Time


class ScoreHistoryRead(Read):
    """The total at every full hour and at every reset."""

    lead_id: str
    snapshots: list[HistoryPointRead]
    count: int
    period: PeriodRead
    merged_from: MergedFrom = None


class HistoryQuery(QueryParameters):
    """The part of the history to read."""

    days: int = Field(
        default=30,
        ge=1,
        description="How many days before `end_date` to start, at most 90; more are 90. Ignored with `start_date`",
    )
    start_date: QueryTime | None = Field(default=None, description="At most 366 days before `end_date`")
    end_date: QueryTime | None = Field(default=None, description="By default now")
    ruleset_id: PlainText | None = Field(default=None, description="By default the primary ruleset")


class BatchScoreRead(Read):
    """A lead's total in the requested ruleset. `lead_id` is the id as requested."""

    lead_id: str
    score: int
    ruleset_id: str | None
    merged_into: str | None = Field(
        default=None,
        exclude_if=lambda lead_id: lead_id is None,
        description="The lead whose score this is, if the requested one was merged into it; otherwise absent",
    )


class ScoreBatch(Write):
    """The leads and the ruleset to read scores for."""

    lead_ids: list[PlainText] = Field(min_length=1, max_length=500)
    ruleset: PlainText = Field(default=PRIMARY, description="`primary`, or a ruleset's id or name")


class AwardRead(Read):
    """A rule that paid, with the weight it had when the event was scored. The rule may have been deleted since."""

    rule_id: str
    weight: int


class RulesetEffectRead(Read):
    """How an event changed the total in one ruleset.

    `base` is the sum of the weights, and `points` is `base` times `multiplier`. `delta` is the change of the total; it
    differs from `points` if the floor applied.
    """

    ruleset_id: str
    ruleset_name: str | None
    before: int
    after: int
    rules: list[AwardRead]
    base: int
    multiplier: float = Field(description="The surge multiplier; 1 without a surge")
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
    """How an event, or another row of its lead's timeline, changed the lead's totals."""

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


class ExplainQuery(QueryParameters):
    """The total to explain, and the period."""

    hours: int = Field(
        default=24, ge=1, le=100_000, description="How many hours to look back, at most to the last reset"
    )
    all: bool = Field(default=False, description="Explain everything since the last reset; ignores `hours`")
    ruleset_id: PlainText | None = Field(default=None, description="By default the primary ruleset")


class RuleNowRead(Read):
    """A rule that pays today."""

    rule_id: str
    event_type: str
    weight: int
    filter_label: str | None = Field(default=None, exclude_if=lambda label: label is None)


class DriverRead(RuleNowRead):
    """What a rule paid at one weight, without surge and floor. The rule may have been changed or deleted since."""

    count: int
    total: int = Field(description="`count` times `weight`")


class SurgeBoostRead(Read):
    """The points that surges added to events of one type."""

    event_type: str
    count: int
    boost: int


class LeadExplanationRead(Read):
    """How a lead's total in one ruleset changed, and why.

    `drivers_total + surge_total + decay_applied + adjustments + floor_adjustment = score_change`, and with `all=true`
    `score_change` is the score itself.
    """

    lead_id: str
    ruleset_id: str | None
    ruleset_name: str | None
    score: int
    score_change: int = Field(description="The change of the total after `since`")
    since: Time | None = Field(description="The start of the period; null for the lead's whole history")
    range_hours: int | None = Field(description="The requested `hours`; null with `all`")
    top_drivers: list[DriverRead] = Field(description="All rules that paid, largest total first")
    drivers_total: int
    snapshot: list[RuleNowRead] = Field(description="The ruleset's rules that pay today, largest weight first")
    surge_boost: list[SurgeBoostRead]
    surge_total: int
    surge_event_count: int
    decay_applied: int = Field(description="Points lost to decay: zero or negative")
    adjustments: int = Field(description="Points added or removed by users, after the floor")
    floor_adjustment: int = Field(
        description="Points that the floor gave back, and negative totals that were set to zero"
    )
    inorganic_count: int = Field(description="The number of suppressed events after `since`")
    score_reset_at: Time | None
    reset_excluded_count: int = Field(
        description="The number of events that changed this total, and that no longer count because of a reset"
    )
    merged_from: MergedFrom = None


class SessionRead(Read):
    """A lead's activity without a pause longer than the OU's session timeout."""

    session_id: Annotated[str, BeforeValidator(lambda value: ids.show("ss", value))]
    lead_id: str
    start: Time
    end: Time
    duration_seconds: float
    event_count: int
    entry: str = Field(description="The type of its first event")
    exit: str = Field(description="The type of its last event")
    total_points: int = Field(description="The change of the score by its events")
    source: str | None = Field(description="The channel of its first event")
    status: Literal["active", "ended"] = Field(description="Active as long as another event can still belong to it")

    @computed_field
    @property
    def id(self) -> str:
        return self.session_id


class AdjustmentCreate(Write):
    """Points to add to a lead's score."""

    points: StrictInt = Field(ge=-MAX_POINTS, le=MAX_POINTS, description="The points to add; negative to remove points")
    reason: PlainText | None = Field(default=None, max_length=500)
    ruleset_id: PlainText | None = Field(default=None, description="By default the primary ruleset")


class AdjustmentRead(Read):
    """The result of an adjustment."""

    lead_id: str
    ruleset_id: str
    points_added: int = Field(description="The change of the score; differs from the points sent if the floor applied")
    score: int = Field(description="The score after the adjustment")


class ResetRead(Read):
    """The result of a reset."""

    status: str
    lead_id: str
    previous_scores: dict[str, int] = Field(description="Each ruleset's total before the reset")
