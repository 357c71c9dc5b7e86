"""Leads as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, computed_field

from leadvibe.core import ids
from leadvibe.core.http.schemas import LeadId, PlainText, Read, Time, Write, check_plain, parsable_by
from leadvibe.core.instants import from_micros, micros
from leadvibe.core.ranges import Range
from leadvibe.leads.metadata import Metadata

Points = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Reference = Annotated[PlainText, Field(min_length=1, max_length=200)]


class LeadRead(Read):
    """A lead's record; `merged_into` names the lead that took it in."""

    lead_id: str
    org_id: str
    unit_id: str
    account_id: str | None
    owner_id: str | None
    owner_name: str | None
    created_at: Time
    updated_at: Time
    merged_into: str | None
    metadata: dict[str, Any]

    @computed_field
    @property
    def id(self) -> str:
        return self.lead_id


class ScoredLeadRead(LeadRead):
    """A lead with its scores: `score` is the primary ruleset's total, the maps hold every ruleset's.

    `session_count` counts the sessions of the range that a list was narrowed to; else of all time.
    """

    score: int
    ruleset_id: str | None
    last_event_at: Time | None
    last_event_type: str | None
    score_reset_at: Time | None
    best_alias: str | None = Field(description="By what people recognise the lead: its e-mail address, if it has one")
    session_count: int
    engagement_scores: dict[str, int]
    profile_scores: dict[str, int] = Field(default_factory=dict)
    ruleset_names: dict[str, str]
    engagement_primary_ruleset_name: str | None
    profile_primary_ruleset_name: str | None = None


class LeadDetailRead(ScoredLeadRead):
    """A lead's record under `lead` and flat beside it, with its account."""

    lead: LeadRead
    account: dict[str, Any]


class LeadList(Read):
    leads: list[ScoredLeadRead]
    total: int
    page: int
    limit: int


class LeadCreate(Write):
    lead_id: LeadId = Field(validation_alias=AliasChoices("id", "lead_id"))
    attributes: Metadata = Field(default_factory=dict, validation_alias="metadata")
    account_id: Reference | None = None
    owner_id: Reference | None = None


class LeadChange(Write):
    """Metadata that is sent replaces the whole; `null` takes the account or the owner away."""

    attributes: Metadata = Field(default_factory=dict, validation_alias="metadata")
    account_id: Reference | None = None
    owner_id: Reference | None = None


class MetadataRead(Read):
    lead_id: str
    org_id: str
    unit_id: str
    metadata: dict[str, Any]

    @computed_field
    @property
    def id(self) -> str:
        return self.lead_id


class AliasRead(Read):
    """A name by which the lead is recognised: `value` as it is compared, `raw_value` as it was first sent."""

    alias_id: Annotated[str, BeforeValidator(lambda value: ids.show("al", value))]
    kind: str
    value: str
    raw_value: str
    created_at: Time

    @computed_field
    @property
    def id(self) -> str:
        return self.alias_id

    @computed_field
    @property
    def alias_kind(self) -> str:
        return self.kind


class LeadMatchRead(Read):
    """A lead that was found; the levels are null while nothing classifies it."""

    lead_id: str
    match_type: Literal["id", "alias"]
    best_alias: str | None
    engagement_level: str | None = None
    profile_level: str | None = None

    @computed_field
    @property
    def id(self) -> str:
        return self.lead_id


class LeadCursor(NamedTuple):
    """Where in the ranking a page goes on: after this lead."""

    score: int
    last_event_at: datetime | None
    lead_id: str

    def __str__(self) -> str:
        seen = "" if self.last_event_at is None else micros(self.last_event_at)
        return f"{self.score}_{seen}_{self.lead_id}"

    @classmethod
    def read(cls, text: str) -> "LeadCursor":
        try:
            score, seen, lead_id = check_plain(text).split("_", 2)
            int(score).to_bytes(8, signed=True)  # what has more bytes is no score
            return cls(int(score), from_micros(int(seen)) if seen else None, lead_id)
        except (ValueError, OverflowError):
            raise ValueError("must be taken from a page's Link header") from None


class LeadFilter(BaseModel):
    range: Range = Field(default=Range.ALL, description="When the lead was created")
    min_score: Points | None = None
    max_score: Points | None = None
    event_type: PlainText | None = Field(default=None, description="The type of the lead's last event")
    last_active: Literal["any", "7d", "30d"] = "any"
    after: Annotated[str, parsable_by(LeadCursor.read)] | None = Field(
        default=None, description="Go on after this lead, as the Link header says; `page` then only counts"
    )

    @property
    def start(self) -> LeadCursor | None:
        return None if self.after is None else LeadCursor.read(self.after)

    @property
    def narrows(self) -> bool:
        """Whether it leaves out any lead."""
        return bool(self.model_fields_set - {"after"}) and self != LeadFilter(after=self.after)
