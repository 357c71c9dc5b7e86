"""Imports of leads, as the API takes and shows them."""

from pydantic import Field

from leadvibe.core.http.schemas import Line, PlainText, Read, Write
from leadvibe.identity.aliases import AliasKind
from leadvibe.jobs.schemas import JobRead


class PrimaryIdentifier(Write):
    """The column by which each row's lead is found, and what it holds."""

    column: PlainText
    kind: AliasKind


class ImportStart(Write):
    """Which column is what. One that is named nowhere is passed over."""

    file_id: PlainText
    primary_identifier: PrimaryIdentifier
    field_mappings: dict[PlainText, Line] = Field(
        default_factory=dict, description="Column → field of the lead's metadata"
    )
    alias_mappings: dict[PlainText, AliasKind] = Field(
        default_factory=dict, description="Column → what further alias it holds"
    )


class RowErrorRead(Read):
    line: int
    error: str


class ImportResultRead(Read):
    """`processed` rows are those that `created` a lead, those that `updated` one, and those that `failed`.

    `errors` are the first of the latter.
    """

    processed: int
    created: int
    updated: int
    failed: int
    errors: list[RowErrorRead]


class ImportJobRead(JobRead):
    result: ImportResultRead
