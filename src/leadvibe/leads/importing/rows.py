"""Imports the leads of some records: each is found by its aliases as an event's lead is, and its fields are merged."""

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
from leadvibe.identity.identify import UnresolvedEvent, identify
from leadvibe.identity.locks import Redirects
from leadvibe.ingest.csv_records import Record
from leadvibe.ingest.metadata import write
from leadvibe.leads.importing.mapping import Columns
from leadvibe.leads.metadata import patched

ERRORS_SHOWN: Final = 100
DELETED: Final = "names a lead that was deleted after the file was uploaded"

READ: Final = "SELECT lead_id, metadata FROM leads WHERE unit_id = $1 AND lead_id = ANY($2::text[])"

CHANGE: Final = """
UPDATE leads SET metadata = changed.metadata, updated_at = now()
FROM unnest($2::text[], $3::jsonb[]) AS changed (lead_id, metadata)
WHERE leads.unit_id = $1 AND leads.lead_id = changed.lead_id
"""


class Outcome(msgspec.Struct):
    """What became of a file's rows so far."""

    processed: int = 0
    created: int = 0
    updated: int = 0
    failed: int = 0
    errors: list[dict[str, Any]] = msgspec.field(default_factory=list[dict[str, Any]])
    """The first of them."""

    def refuse(self, refused: Mapping[int, str]) -> None:
        """Count rows that failed, by line."""
        self.failed += len(refused)
        shown = [{"line": line, "error": error} for line, error in sorted(refused.items())]
        self.errors += shown[: ERRORS_SHOWN - len(self.errors)]


class RowsRefused(Exception):
    """Leads have no room for these rows: the records begin again without them, so that no alias of theirs stays."""

    def __init__(self, errors: dict[int, str]) -> None:
        super().__init__("some rows were refused")
        self.errors = errors
        """By line."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A row that can be imported."""

    line: int
    name: str
    """The primary identifier's value."""
    fields: dict[str, Any]


class RowImport:
    """One transaction's records."""

    def __init__(self, session: AsyncSession, scope: Scope, columns: Columns, uploaded_at: datetime) -> None:
        self._session = session
        self._scope = scope
        self._columns = columns
        self._uploaded_at = uploaded_at
        self._refused: dict[int, str] = {}
        self._sent: dict[UUID, _Sent] = {}

    async def run(
        self,
        records: Sequence[Record],
        redirects: Redirects,
        refused: Mapping[int, str],
        outcome: Outcome,
    ) -> None:
        """Import them, but for those that were refused before, and count what became of each.

        Raises IdentityChanged if an identity changed meanwhile, and RowsRefused if further rows must be left out.
        """
        self._refused |= refused
        connection = await raw(self._session)
        identified = await identify(connection, self._read(records), redirects)
        owners = {event_id: identity.lead_id for event_id, identity in identified.identities.items()}
        await self._merge(connection, owners, again=bool(refused))
        await update_counters(connection, CounterChanges(leads=identified.new_leads))
        created = identified.new_leads.total()
        outcome.processed += len(records)
        outcome.created += created
        outcome.updated += len(records) - len(self._refused) - created
        outcome.refuse(self._refused)

    def _read(self, records: Sequence[Record]) -> list[UnresolvedEvent]:
        """The rows by the identifiers of their leads, received when the file was."""
        unresolved: list[UnresolvedEvent] = []
        for record in records:
            if record.line in self._refused:
                continue
            try:
                row = self._columns.read(_cells(record))
            except (Problem, ValueError) as error:
                self._refused[record.line] = error.detail if isinstance(error, Problem) else str(error)
                continue
            event_id = new_uuid()
            self._sent[event_id] = _Sent(record.line, row.aliases[0].value, row.fields)
            unresolved.append(UnresolvedEvent(self._scope.unit_id, event_id, self._uploaded_at, None, row.aliases))
        return unresolved

    async def _merge(self, connection: asyncpg.Connection, owners: Mapping[UUID, str], *, again: bool) -> None:
        """Merge each row's fields into its lead, in the file's order."""
        rows = await connection.fetch(READ, self._scope.unit_id, sorted(set(owners.values())))
        before: dict[str, dict[str, Any]] = dict(rows)
        after, full, errors = dict(before), dict[str, str](), dict[int, str]()
        for event_id, row in self._sent.items():
            lead_id = owners.get(event_id)
            if lead_id is None:
                self._refused[row.line] = DELETED
                continue
            try:
                after[lead_id] = patched(after[lead_id], row.fields)
            except Problem as problem:  # beside what the lead has already
                # One that is named otherwise may be the lead's only by an alias of the one that is refused: it is
                # looked at once more. Not more often: a piece of such rows would begin as often as it has rows.
                if again or full.setdefault(lead_id, row.name) == row.name:
                    errors[row.line] = problem.detail
        if errors:
            raise RowsRefused(errors)
        changed = sorted(lead_id for lead_id in after if after[lead_id] != before[lead_id])
        written = [write(after[lead_id]).decode() for lead_id in changed]
        await connection.execute(CHANGE, self._scope.unit_id, changed, written)


def _cells(record: Record) -> list[str]:
    if record.problem is not None:
        raise ValueError(record.problem)
    return record.cells
