"""Request and response bodies of the lead operations."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, Field, computed_field

from leadvibe.core import ids
from leadvibe.core.http.merged_from import MergedFrom
from leadvibe.core.http.schemas import PlainText, Read, Time, Write, check_plain, parsable_by
from leadvibe.core.instants import from_micros, micros
from leadvibe.core.ranges import Range
from leadvibe.identity.identifiers import NewLeadId, clean_identifier
from leadvibe.ingest.metadata_field import Metadata

Points = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Reference = Annotated[PlainText, Field(min_length=1, max_length=200)]


def _read_search_text(value: str) -> str:
    return clean_identifier(value) if value.strip() else ""


SearchText = Annotated[str, AfterValidator(_read_search_text)]
"""A part of an identifier, in the form in which identifiers are stored. It may be empty."""


class LeadRead(Read):
    """A lead. `merged_into` is always null, because reads return the lead that a lead was merged into."""

    lead_id: str
    org_id: str
    unit_id: str
    account_id: str | None
    owner_id: str | None
    owner_name: str | None
    created_at: Time
    updated_at: Time
    merged_into: str | None
    merged_from: MergedFrom = None
    metadata: dict[str, Any]

    @computed_field
    @property
    def id(self) -> str:
        return self.lead_id


class ScoredLeadRead(LeadRead):
    """A lead with its scores. `score` is its total in the primary ruleset; the maps contain every ruleset's total.

    `session_count` counts the sessions in the `range` of a list, and otherwise all sessions.
    """

    score: int
    ruleset_id: str | None
    last_event_at: Time | None
    last_event_type: str | None
    score_reset_at: Time | None
    best_alias: str | None = Field(description="The alias to display for the lead: its e-mail address if it has one")
    session_count: int
    engagement_scores: dict[str, int]
    profile_scores: dict[str, int] = Field(default_factory=dict)
    ruleset_names: dict[str, str]
    engagement_primary_ruleset_name: str | None
    profile_primary_ruleset_name: str | None = None


class LeadDetailRead(ScoredLeadRead):
    """A lead with its scores and its account. `lead` repeats the fields of the record."""

    lead: LeadRead
    account: dict[str, Any]


class LeadList(Read):
    leads: list[ScoredLeadRead]
    total: int
    page: int
    limit: int


class LeadCreate(Write):
    shown_as: ClassVar[type[Read] | None] = LeadDetailRead

    lead_id: NewLeadId = Field(validation_alias=AliasChoices("id", "lead_id"), description="An id of your choice")
    attributes: Metadata = Field(default_factory=dict, validation_alias="metadata")
    account_id: Reference | None = None
    owner_id: Reference | None = Field(default=None, description="A member of the organization")


class LeadChange(Write):
    """Fields that you don't send stay unchanged. `metadata` replaces all metadata; `null` removes account or owner."""

    shown_as: ClassVar[type[Read] | None] = LeadDetailRead

    attributes: Metadata = Field(default_factory=dict, validation_alias="metadata")
    account_id: Reference | None = None
    owner_id: Reference | None = Field(default=None, description="A member of the organization")


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
    """An identifier of the lead. `value` is the normalized form that is compared, `raw_value` the form first sent."""

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
    """A search result. `match_type` says whether the id or an alias matched; the levels are null.

    If the id of a merged lead matched, `lead_id` is the lead that it was merged into, and `merged_from` that id.
    """

    lead_id: str
    match_type: Literal["id", "alias"]
    best_alias: str | None
    merged_from: MergedFrom = None
    engagement_level: str | None = None
    profile_level: str | None = None

    @computed_field
    @property
    def id(self) -> str:
        return self.lead_id


class LeadCursor(NamedTuple):
    """A position in the ranking: the next page starts after this lead."""

    score: int
    last_event_at: datetime | None
    lead_id: str

    def __str__(self) -> str:
        last_active = "" if self.last_event_at is None else micros(self.last_event_at)
        return f"{self.score}_{last_active}_{self.lead_id}"

    @classmethod
    def read(cls, text: str) -> "LeadCursor":
        """Parse the text of an `after` parameter; raises ValueError."""
        try:
            score, last_active, lead_id = check_plain(text).split("_", 2)
            int(score).to_bytes(8, signed=True)  # raises if the number does not fit into a bigint
            return cls(int(score), from_micros(int(last_active)) if last_active else None, lead_id)
        except (ValueError, OverflowError):
            raise ValueError("must be copied from the Link header of a page") from None


class LeadFilter(BaseModel):
    range: Range = Field(default=Range.ALL, description="Leads created in this range of time")
    min_score: Points | None = Field(default=None, description="Leads with at least this score")
    max_score: Points | None = Field(default=None, description="Leads with at most this score")
    event_type: PlainText | None = Field(default=None, description="Leads whose last event has this type")
    last_active: Literal["any", "7d", "30d"] = Field(
        default="any", description="Leads whose last event is at most 7 or 30 days old"
    )
    after: Annotated[str, parsable_by(LeadCursor.read)] | None = Field(
        default=None,
        description="Start after this position, taken from the `Link` header; `page` then only numbers the page",
    )

    @property
    def start(self) -> LeadCursor | None:
        return None if self.after is None else LeadCursor.read(self.after)

    @property
    def narrows(self) -> bool:
        """Whether the filter can exclude a lead."""
        return bool(self.model_fields_set - {"after"}) and self != LeadFilter(after=self.after)
