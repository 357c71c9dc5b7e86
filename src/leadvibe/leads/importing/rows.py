"""Imports rows: finds or creates each row's lead by its aliases, as for an event, and merges the row's fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import raw
from leadvibe.core.http.problems import Problem
from leadvibe.core.ids import new_uuid
from leadvibe.core.scope import Scope
from leadvibe.counts.counters import CounterChanges, update_counters
from leadvibe.identity.identify import identify
from leadvibe.identity.locks import Redirects
from leadvibe.identity.resolution import Conflict, UnresolvedEvent
from leadvibe.ingest.csv_records import Record
from leadvibe.ingest.metadata import write
from leadvibe.ingest.metadata_field import merge_metadata
from leadvibe.leads.importing.mapping import RowReader

MAX_ERRORS: Final = 100
"""Errors that a result lists. All of them are counted."""
DELETED: Final = "identifies a lead that was deleted after the upload"

READ: Final = "SELECT lead_id, metadata FROM leads WHERE unit_id = $1 AND lead_id = ANY($2::text[])"

UPDATE: Final = """
UPDATE leads SET metadata = changed.metadata, updated_at = now()
FROM unnest($2::text[], $3::jsonb[]) AS changed (lead_id, metadata)
WHERE leads.unit_id = $1 AND leads.lead_id = changed.lead_id
"""


class ImportResult(msgspec.Struct):
    """The result of an import so far, in numbers of rows."""

    processed: int = 0
    created: int = 0
    updated: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])
    """The first errors, each with its line."""
    conflicts: int = 0
    """Identifiers that belong to another lead than their row."""
    warnings: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])
    """The first identifiers that were left out or belong to another lead, each with its line."""

    def add_failed(self, errors: Mapping[int, str]) -> None:
        """Count failed rows, given by line."""
        self.failed += len(errors)
        rows = [{"line": line, "error": error} for line, error in sorted(errors.items())]
        self.errors += rows[: MAX_ERRORS - len(self.errors)]

    def add_warnings(self, warnings: Sequence[tuple[int, str]]) -> None:
        """Add warnings, each with its line."""
        rows = [{"line": line, "warning": warning} for line, warning in sorted(warnings)]
        self.warnings += rows[: MAX_ERRORS - len(self.warnings)]


class RowsRefused(Exception):
    """The metadata of these rows does not fit into their leads.

    The transaction is rolled back and the other rows are imported without them, so that no alias of theirs is stored.
    """

    def __init__(self, errors: dict[int, str]) -> None:
        super().__init__("some rows were refused")
        self.errors = errors
        """By line."""


@dataclass(frozen=True, slots=True)
class _ValidRow:
    line: int
    primary_identifier: str
    fields: dict[str, Any]


class RowImport:
    """The import of the records of one piece, in one transaction."""

    def __init__(self, session: AsyncSession, scope: Scope, reader: RowReader, uploaded_at: datetime) -> None:
        self._session = session
        self._scope = scope
        self._reader = reader
        self._uploaded_at = uploaded_at
        self._errors: dict[int, str] = {}
        """By line."""
        self._warnings: list[tuple[int, str]] = []
        self._rows: dict[UUID, _ValidRow] = {}

    async def run(
        self,
        records: Sequence[Record],
        redirects: Redirects,
        refused: Mapping[int, str],
        result: ImportResult,
    ) -> None:
        """Import the records, except for those that an earlier attempt refused, and add them to the result.

        Raises RowsRefused if further rows must be left out, and IdentityChanged like `identify`.
        """
        self._errors |= refused
        connection = await raw(self._session)
        identified = await identify(connection, self._read(records), redirects)
        lead_ids = {row_id: identity.lead_id for row_id, identity in identified.identities.items()}
        await self._merge_fields(connection, lead_ids, is_retry=bool(refused))
        await update_counters(connection, CounterChanges(leads=identified.new_leads))
        created = identified.new_leads.total()
        result.processed += len(records)
        result.created += created
        result.updated += len(records) - len(self._errors) - created
        result.conflicts += len(identified.conflicts)
        result.add_failed(self._errors)
        result.add_warnings([*self._warnings, *map(self._conflict_warning, identified.conflicts)])

    def _conflict_warning(self, conflict: Conflict) -> tuple[int, str]:
        return self._rows[conflict.event_id].line, f"{conflict.kind}: belongs to another lead and was not attached"

    def _read(self, records: Sequence[Record]) -> list[UnresolvedEvent]:
        """The identifiers of the rows, as if each row were an event that was received when the file was uploaded."""
        unresolved: list[UnresolvedEvent] = []
        for record in records:
            if record.line in self._errors:
                continue
            try:
                row = self._reader.read(_cells(record))
            except (Problem, ValueError) as error:
                self._errors[record.line] = error.detail if isinstance(error, Problem) else str(error)
                continue
            row_id = new_uuid()
            self._warnings += ((record.line, warning) for warning in row.warnings)
            self._rows[row_id] = _ValidRow(record.line, row.aliases[0].value, row.fields)
            unresolved.append(
                UnresolvedEvent(self._scope.unit_id, row_id, self._uploaded_at, None, row.aliases, first_decides=True)
            )
        return unresolved

    async def _merge_fields(
        self, connection: asyncpg.Connection, lead_ids: Mapping[UUID, str], *, is_retry: bool
    ) -> None:
        """Merge the fields of each row into its lead's metadata, in the order of the file."""
        rows = await connection.fetch(READ, self._scope.unit_id, sorted(set(lead_ids.values())))
        before: dict[str, dict[str, Any]] = {row["lead_id"]: row["metadata"] for row in rows}
        after, full, errors = dict(before), dict[str, str](), dict[int, str]()
        for row_id, row in self._rows.items():
            lead_id = lead_ids.get(row_id)
            if lead_id is None:
                self._errors[row.line] = DELETED
                continue
            try:
                after[lead_id] = merge_metadata(after[lead_id], row.fields)
            except Problem as problem:
                # A row with another primary identifier may belong to this lead only by an alias of the refused row.
                # So it gets one more attempt without that row; only one, or a piece could need an attempt per row.
                if is_retry or full.setdefault(lead_id, row.primary_identifier) == row.primary_identifier:
                    errors[row.line] = problem.detail
        if errors:
            raise RowsRefused(errors)
        changed = sorted(lead_id for lead_id in after if after[lead_id] != before[lead_id])
        written = [write(after[lead_id]).decode() for lead_id in changed]
        await connection.execute(UPDATE, self._scope.unit_id, changed, written)


def _cells(record: Record) -> list[str]:
    if record.problem is not None:
        raise ValueError(record.problem)
    return record.cells
