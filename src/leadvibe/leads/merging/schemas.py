"""Merges as the API takes and shows them: `camelCase`, except in a preview's answer."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AliasChoices, AliasPath, Field, ValidationInfo, field_validator

from leadvibe.core.http.problems import Invalid
from leadvibe.core.http.schemas import LeadId, Read, Time, Write
from leadvibe.core.instants import FIRST, MICROSECOND
from leadvibe.leads.schemas import Reference, ScoredLeadRead

MOST_SOURCES = 1_000


def _either(camel: str, snake: str) -> AliasChoices:
    choices: tuple[str | AliasPath, ...] = (camel, snake)
    return AliasChoices(*choices)


class Truncation(Write):
    """What of the sources' history is left behind: `before` leaves what happened before that instant."""

    policy: Literal["none", "before"] = "none"
    before: Time | None = Field(default=None, validate_default=True)

    @field_validator("before")
    @classmethod
    def _goes_with_its_policy(cls, before: datetime | None, info: ValidationInfo) -> datetime | None:
        if (before is None) == (info.data.get("policy") == "before"):
            raise ValueError('policy "before" and the instant `before` go together')
        return before

    @property
    def last_left_behind(self) -> datetime | None:
        return None if self.before is None or self.before == FIRST else self.before - MICROSECOND


class MergeCreate(Write):
    """Who goes into whom. Where the leads have several accounts, `accountId` says which one stays."""

    target_lead_id: LeadId = Field(validation_alias=_either("targetLeadId", "target_lead_id"))
    source_lead_ids: Annotated[list[LeadId], Field(min_length=1, max_length=MOST_SOURCES)] = Field(
        validation_alias=_either("sourceLeadIds", "source_lead_ids")
    )
    truncate: Truncation = Field(default_factory=Truncation)
    account_id: Reference | None = Field(default=None, validation_alias=_either("accountId", "account_id"))

    @field_validator("source_lead_ids")
    @classmethod
    def _others_than_the_target(cls, source_ids: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("target_lead_id") in source_ids:
            raise ValueError("must not name the target")
        return list(dict.fromkeys(source_ids))

    def check_account(self, accounts: Collection[str]) -> None:
        """Invalid if it says that an account stays which none of the leads has."""
        if self.account_id is not None and self.account_id not in accounts:
            raise Invalid.field("accountId", "must be the account of one of these leads")

    @property
    def lead_ids(self) -> list[str]:
        return [self.target_lead_id, *self.source_lead_ids]


class RescoreRead(Read):
    """The target's totals by ruleset, before and after."""

    previous_scores: dict[str, int]
    scores: dict[str, int]


class MergeRead(Read):
    """`truncatedEvents` are those that were left behind."""

    target: ScoredLeadRead
    merged_sources: list[str] = Field(serialization_alias="mergedSources")
    moved_events: int = Field(serialization_alias="movedEvents")
    truncated_events: int = Field(serialization_alias="truncatedEvents")
    rescore: RescoreRead


class MergePreviewRead(Read):
    """What a merge would do. `total_*` count what the sources would bring.

    `duplicate_aliases` were claimed by two of these leads; each has one of the two already.
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
