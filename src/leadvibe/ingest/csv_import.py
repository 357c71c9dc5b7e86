"""Events from a CSV: each row is accepted or refused on its own, and the file never is in memory as a whole."""

from collections.abc import AsyncIterable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from leadvibe.core.http.problems import Invalid, Problem, Unavailable
from leadvibe.core.http.request_body import IncompleteBody
from leadvibe.core.transient import is_transient
from leadvibe.identity.aliases import STRENGTH, AliasKind
from leadvibe.ingest.buffer import Row, append, row_of
from leadvibe.ingest.csv_records import CsvRecords, Record
from leadvibe.ingest.inbox import AcceptedEvent
from leadvibe.ingest.validation import SentAlias, SentEvent, accept

SLICE: Final = 2_000
"""Rows of a commit."""
ERRORS_SHOWN: Final = 100
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
NOT_CSV: Final = {b"PK\x03\x04": "a spreadsheet or archive", b"\x1f\x8b": "compressed", b"%PDF": "a PDF"}
SIGNATURE_LENGTH: Final = 4
COLUMNS: Final = ("event_type", "lead_id", "timestamp", "metadata", "idempotency_key")


@dataclass(slots=True)
class Imported:
    """What became of a file's rows."""

    imported: int = 0
    errors: int = 0
    error_rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The first of them, by line."""


class Columns:
    """Which cell of a row is what, as the header says."""

    def __init__(self, header: Record) -> None:
        if header.problem is not None:
            raise Invalid.field("file", f"the header {header.problem}: a CSV in UTF-8 is expected")
        names = [name.strip().lower() for name in header.cells]
        for name in names:
            if name and names.count(name) > 1:
                raise Invalid.field("file", f"the header names the column {name!r} twice")
        if "event_type" not in names:
            raise Invalid.field("event_type", "the file's header has no such column (columns are separated by commas)")
        self._names = names
        self._places = {name: names.index(name) for name in COLUMNS if name in names}
        self._aliases: list[tuple[AliasKind, int]] = [(kind, names.index(kind)) for kind in STRENGTH if kind in names]

    def read(self, cells: Sequence[str], *, default_key: str | None, skip_triggers: bool) -> AcceptedEvent:
        """The event of a row; an empty cell is one that wasn't sent."""
        if len(cells) > len(self._names):
            raise Invalid.field("row", f"has {len(cells)} cells, and the header {len(self._names)}")
        sent = {name: cells[place] for name, place in self._places.items() if place < len(cells) and cells[place]}
        aliases = [SentAlias(kind, cells[at]) for kind, at in self._aliases if at < len(cells) and cells[at]]
        event = SentEvent(
            event_type=sent.get("event_type", ""),
            lead_id=sent.get("lead_id"),
            aliases=aliases,
            timestamp=sent["timestamp"].strip() if "timestamp" in sent else None,
            metadata=msgspec.Raw(sent.get("metadata", "{}").encode()),
            idempotency_key=sent.get("idempotency_key"),
        )
        fields = [alias.alias_kind for alias in aliases]
        return accept(event, default_key=default_key, skip_triggers=skip_triggers, alias_fields=fields)


class CsvImport:
    """Takes a file piece by piece; every slice of its rows is committed before the next piece is taken."""

    def __init__(self, unit_id: str, *, key: str | None, skip_triggers: bool) -> None:
        self.outcome = Imported()
        self._unit_id = unit_id
        self._key = key
        """With it, the file's n-th row has the idempotency key `key/n`."""
        self._skip_triggers = skip_triggers
        self._records = CsvRecords()
        self._start: bytes | None = b""
        """What has come while that is too little to tell the kind of file; None since it was told."""
        self._columns: Columns | None = None
        self._index = 0
        self._rows: list[Row] = []

    async def take(self, piece: bytes) -> None:
        if self._start is not None:
            self._start += piece
            if len(self._start) < SIGNATURE_LENGTH:
                return
            piece = self._begin(self._start)
        await self._add(self._records.feed(piece))

    async def finish(self) -> Imported:
        if self._start is not None:
            await self._add(self._records.feed(self._begin(self._start)))
        await self._add(self._records.finish())
        if self._columns is None:
            raise Invalid.field("file", "is empty: a header row is expected")
        await self._commit()
        return self.outcome

    def _begin(self, start: bytes) -> bytes:
        self._start = None
        for signature, kind in NOT_CSV.items():
            if start.startswith(signature):
                raise Invalid.field("file", f"is {kind}: a CSV in UTF-8 is expected")
        return start.removeprefix(BYTE_ORDER_MARK)

    async def _add(self, records: Iterable[Record]) -> None:
        for record in records:
            if self._columns is None:
                self._columns = Columns(record)
                continue
            self._read(record, self._columns)
            if len(self._rows) >= SLICE:
                await self._commit()

    def _read(self, record: Record, columns: Columns) -> None:
        key = None if self._key is None else f"{self._key}/{self._index}"
        self._index += 1
        if record.problem is not None:
            self._refuse(record.line, record.problem)
            return
        try:
            event = columns.read(record.cells, default_key=key, skip_triggers=self._skip_triggers)
        except Problem as problem:
            self._refuse(record.line, problem.detail)
        else:
            self._rows.append(row_of(self._unit_id, event))

    def _refuse(self, line: int, error: str) -> None:
        self.outcome.errors += 1
        if len(self.outcome.error_rows) < ERRORS_SHOWN:
            self.outcome.error_rows.append({"line": line, "error": error})

    async def _commit(self) -> None:
        if self._rows:
            await append(self._rows)
            self.outcome.imported += len(self._rows)
            self._rows = []


async def import_csv(pieces: AsyncIterable[bytes], unit_id: str, *, key: str | None, skip_triggers: bool) -> Imported:
    """Import a file. When it breaks off, what was committed by then stays, and the problem says how much that is."""
    task = CsvImport(unit_id, key=key, skip_triggers=skip_triggers)
    try:
        async for piece in pieces:
            await task.take(piece)
        return await task.finish()
    except IncompleteBody as problem:
        raise Invalid(f"{problem.detail} ({_stored(task)})", fields=problem.fields) from None
    except Exception as error:
        if is_transient(error):
            raise Unavailable(f"The database can't be reached ({_stored(task)}); try again in a moment.") from error
        raise


def _stored(task: CsvImport) -> str:
    return f"{task.outcome.imported} rows were imported before"
