"""Request and response bodies of lead imports."""

from datetime import datetime
from typing import Annotated

import msgspec
from pydantic import Field

from leadvibe.core.http.schemas import Line, PlainText, Read, Write
from leadvibe.identity.aliases import AliasKind
from leadvibe.jobs.schemas import JobRead
from leadvibe.leads.importing.reading import SAMPLE_ROWS


class DetectedIdentifiers(msgspec.Struct, frozen=True):
    email_columns: list[str]
    phone_columns: list[str]
    social_columns: list[str]
    cookie_columns: list[str]
    external_id_columns: list[str]


class LeadImportPreview(msgspec.Struct, frozen=True):
    """The contents of an uploaded file."""

    file_id: Annotated[str, msgspec.Meta(description="Send this to `POST /leads/import/start`")]
    file_name: str
    headers: list[str]
    sample_rows: Annotated[list[list[str]], msgspec.Meta(max_length=SAMPLE_ROWS)]
    row_count: Annotated[int, msgspec.Meta(ge=0)]
    auto_detected_identifiers: Annotated[
        DetectedIdentifiers,
        msgspec.Meta(
            description="Columns that probably contain identifiers, judged by their headers and values. Columns whose "
            "values repeat, like the address of a contact's owner, are left out"
        ),
    ]
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    delimiter: Annotated[str, msgspec.Meta(description="The character that separates the columns of the file")]
    warnings: Annotated[list[str], msgspec.Meta(description="What else you should know about the file")]


class PrimaryIdentifier(Write):
    """The column that identifies the lead of each row, and the kind of its values."""

    column: PlainText
    kind: AliasKind


class ImportStart(Write):
    """The meaning of each column. Columns without a mapping are ignored."""

    file_id: PlainText = Field(description="From the response of `POST /leads/import/preview`")
    primary_identifier: PrimaryIdentifier
    field_mappings: dict[PlainText, Line] = Field(
        default_factory=dict, description="Column → field of the lead's metadata"
    )
    alias_mappings: dict[PlainText, AliasKind] = Field(
        default_factory=dict, description="Column → kind of the additional aliases in it"
    )


class RowErrorRead(Read):
    line: int = Field(description="The line of the file on which the row starts, from 1")
    error: str


class RowWarningRead(Read):
    line: int = Field(description="The line of the file on which the row starts, from 1")
    warning: str


class ImportResultRead(Read):
    """Numbers of rows: each of the `processed` rows `created` a lead, `updated` a lead or `failed`.

    `errors` lists the first failed rows, and `warnings` the first identifiers of other rows that were not attached.
    """

    processed: int
    created: int
    updated: int
    failed: int
    errors: list[RowErrorRead]
    conflicts: int = Field(default=0, description="Number of identifiers that belong to another lead than their row")
    warnings: list[RowWarningRead] = Field(default_factory=list[RowWarningRead])


class ImportJobRead(JobRead):
    result: ImportResultRead
