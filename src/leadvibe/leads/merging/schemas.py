"""Request and response bodies of merges. They use `camelCase`, except for the response to a preview."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AliasChoices, AliasPath, Field, ValidationInfo, field_validator

from leadvibe.core.http.problems import Invalid
from leadvibe.core.http.schemas import Read, Time, Write
from leadvibe.core.instants import FIRST, MICROSECOND
from leadvibe.identity.identifiers import LeadId
from leadvibe.leads.schemas import Reference, ScoredLeadRead

MAX_SOURCES = 1_000


def _either(camel: str, snake: str) -> AliasChoices:
    choices: tuple[str | AliasPath, ...] = (camel, snake)
    return AliasChoices(*choices)


class Truncation(Write):
    """Which part of the sources' history to leave out: with the policy `before`, all events before that instant."""

    policy: Literal["none", "before"] = "none"
    before: Time | None = Field(default=None, validate_default=True)

    @field_validator("before")
    @classmethod
    def _is_sent_with_its_policy(cls, before: datetime | None, info: ValidationInfo) -> datetime | None:
        if (before is None) == (info.data.get("policy") == "before"):
            raise ValueError('must be sent with the policy "before", and only then')
        return before

    @property
    def last_excluded(self) -> datetime | None:
        """The last instant whose events are left out."""
        return None if self.before is None or self.before == FIRST else self.before - MICROSECOND


class MergeCreate(Write):
    """`accountId` chooses the account of the merged lead if the leads have different ones."""

    target_lead_id: LeadId = Field(validation_alias=_either("targetLeadId", "target_lead_id"))
    source_lead_ids: Annotated[list[LeadId], Field(min_length=1, max_length=MAX_SOURCES)] = Field(
        validation_alias=_either("sourceLeadIds", "source_lead_ids")
    )
    truncate: Truncation = Field(default_factory=Truncation)
    account_id: Reference | None = Field(default=None, validation_alias=_either("accountId", "account_id"))

    @field_validator("source_lead_ids")
    @classmethod
    def _do_not_contain_the_target(cls, source_ids: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("target_lead_id") in source_ids:
            raise ValueError("must not contain the target lead")
        return list(dict.fromkeys(source_ids))

    def check_account(self, accounts: Collection[str]) -> None:
        """Raises Invalid if the chosen account is not among the accounts of the leads."""
        if self.account_id is not None and self.account_id not in accounts:
            raise Invalid.field("accountId", "must be the account of one of the leads")

    @property
    def lead_ids(self) -> list[str]:
        return [self.target_lead_id, *self.source_lead_ids]


class RescoreRead(Read):
    """The target's totals by ruleset, before and after the merge."""

    previous_scores: dict[str, int]
    scores: dict[str, int]


class MergeRead(Read):
    """`truncatedEvents` is the number of events that were left out."""

    target: ScoredLeadRead
    merged_sources: list[str] = Field(serialization_alias="mergedSources")
    moved_events: int = Field(serialization_alias="movedEvents")
    truncated_events: int = Field(serialization_alias="truncatedEvents")
    rescore: RescoreRead


class MergePreviewRead(Read):
    """The effect of a merge. The `total_*` fields count what would be transferred from the sources.

    `duplicate_aliases` is the number of aliases that one of the leads holds and another one has sent, too.
    """

    target_lead_id: str
    source_lead_ids: list[str]
    target_events: int
    total_events: int
    total_aliases: int
    total_sessions: int
    duplicate_aliases: int
    target_score: int
    source_scores: dict[str, int]
    account_conflict: bool
    accounts: list[str]
