"""Imports events from a CSV stream. Each row is accepted or rejected by itself; the file is never held in memory."""

from collections.abc import AsyncIterable, Iterable, Sequence
from typing import Final

import msgspec

from leadvibe.core.http.problems import Invalid, Problem, Unavailable
from leadvibe.core.http.request_body import IncompleteBody
from leadvibe.core.transient import is_transient
from leadvibe.identity.aliases import STRENGTH, AliasKind
from leadvibe.ingest.buffer import InboxRow, append, row_of
from leadvibe.ingest.csv_records import CsvRecords, Record
from leadvibe.ingest.schemas import MAX_REPORTED_ROWS, ImportResult, RejectedRow, RowWarning, SentAlias, SentEvent
from leadvibe.ingest.validation import Accepted, accept

ROWS_PER_COMMIT: Final = 2_000
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
NOT_CSV: Final = {b"PK\x03\x04": "a spreadsheet or archive", b"\x1f\x8b": "compressed", b"%PDF": "a PDF"}
"""The kinds of other files, by the signature that they start with."""
MAX_SIGNATURE_BYTES: Final = 4
COLUMNS: Final = ("event_type", "lead_id", "timestamp", "metadata", "idempotency_key")


class Columns:
    """The columns that the header names."""

    def __init__(self, header: Record) -> None:
        if header.problem is not None:
            raise Invalid.field("file", f"must be a CSV in UTF-8: the header {header.problem}")
        names = [name.strip().lower() for name in header.cells]
        for name in names:
            if name and names.count(name) > 1:
                raise Invalid.field("file", f"must not have two columns named {name!r}")
        if "event_type" not in names:
            raise Invalid.field("event_type", "the header must have this column (columns are separated by commas)")
        self._names = names
        self._positions = {name: names.index(name) for name in COLUMNS if name in names}
        self._aliases: list[tuple[AliasKind, int]] = [(kind, names.index(kind)) for kind in STRENGTH if kind in names]

    def read(
        self, cells: Sequence[str], *, default_key: str | None, skip_triggers: bool, phone_region: str | None
    ) -> Accepted:
        """The event of a row. An empty cell means that the field was not sent."""
        if len(cells) > len(self._names):
            raise Invalid.field("row", f"has {len(cells)} cells, but the header has {len(self._names)}")
        sent = {name: cells[at] for name, at in self._positions.items() if at < len(cells) and cells[at]}
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
        return accept(
            event,
            default_key=default_key,
            skip_triggers=skip_triggers,
            alias_fields=fields,
            phone_region=phone_region,
        )


class CsvImport:
    """Imports a file chunk by chunk. At most `ROWS_PER_COMMIT` rows wait in memory for their commit."""

    def __init__(self, unit_id: str, *, key: str | None, skip_triggers: bool, phone_region: str | None) -> None:
        self.result = ImportResult("import queued", imported=0, errors=0, error_rows=[])
        self._unit_id = unit_id
        self._key = key
        """If set, row n of the file, from 0, gets the idempotency key `key/n`."""
        self._skip_triggers = skip_triggers
        self._phone_region = phone_region
        self._records = CsvRecords()
        self._start: bytes | None = b""
        """The first bytes, until they are enough to recognize the kind of file. None after that."""
        self._columns: Columns | None = None
        self._index = 0
        self._rows: list[InboxRow] = []

    async def feed(self, chunk: bytes) -> None:
        if self._start is not None:
            self._start += chunk
            if len(self._start) < MAX_SIGNATURE_BYTES:
                return
            chunk = self._check_start(self._start)
        await self._add(self._records.feed(chunk))

    async def finish(self) -> ImportResult:
        if self._start is not None:
            await self._add(self._records.feed(self._check_start(self._start)))
        await self._add(self._records.finish())
        if self._columns is None:
            raise Invalid.field("file", "must not be empty: it must have a header row")
        await self._commit()
        return self.result

    def _check_start(self, start: bytes) -> bytes:
        self._start = None
        for signature, kind in NOT_CSV.items():
            if start.startswith(signature):
                raise Invalid.field("file", f"must be a CSV in UTF-8, but it is {kind}")
        return start.removeprefix(BYTE_ORDER_MARK)

    async def _add(self, records: Iterable[Record]) -> None:
        for record in records:
            if self._columns is None:
                self._columns = Columns(record)
                continue
            self._read(record, self._columns)
            if len(self._rows) >= ROWS_PER_COMMIT:
                await self._commit()

    def _read(self, record: Record, columns: Columns) -> None:
        key = None if self._key is None else f"{self._key}/{self._index}"
        self._index += 1
        if record.problem is not None:
            self._reject(record.line, record.problem)
            return
        try:
            event, warnings = columns.read(
                record.cells,
                default_key=key,
                skip_triggers=self._skip_triggers,
                phone_region=self._phone_region,
            )
        except Problem as problem:
            self._reject(record.line, problem.detail)
        else:
            self._rows.append(row_of(self._unit_id, event))
            self._warn(record.line, warnings)

    def _reject(self, line: int, error: str) -> None:
        self.result.errors += 1
        if len(self.result.error_rows) < MAX_REPORTED_ROWS:
            self.result.error_rows.append(RejectedRow(line, error))

    def _warn(self, line: int, warnings: Sequence[str]) -> None:
        reported = self.result.warnings
        reported += [RowWarning(line, warning) for warning in warnings][: MAX_REPORTED_ROWS - len(reported)]

    async def _commit(self) -> None:
        if self._rows:
            await append(self._rows)
            self.result.imported += len(self._rows)
            self._rows = []


async def import_csv(
    chunks: AsyncIterable[bytes],
    unit_id: str,
    *,
    key: str | None,
    skip_triggers: bool,
    phone_region: str | None = None,
) -> ImportResult:
    """Import a file. `phone_region` is the OU's country of phone numbers without a country code.

    If the upload ends early, the committed rows stay, and the problem says how many they are.
    """
    task = CsvImport(unit_id, key=key, skip_triggers=skip_triggers, phone_region=phone_region)
    try:
        async for chunk in chunks:
            await task.feed(chunk)
        return await task.finish()
    except IncompleteBody as problem:
        raise Invalid(f"{problem.detail} ({_stored(task)})", fields=problem.fields) from None
    except Exception as error:
        if is_transient(error):
            raise Unavailable(f"The database is unavailable ({_stored(task)}). Try again in a moment.") from error
        raise


def _stored(task: CsvImport) -> str:
    return f"{task.result.imported} rows were imported before the error"
