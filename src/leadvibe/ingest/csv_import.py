"""Imports events from a CSV stream. Each row is accepted or refused by itself; the file is never held in memory."""

import asyncio
import csv
from collections.abc import AsyncIterable, Iterable, Sequence
from typing import Final

import msgspec

from leadvibe.core.http.problems import Invalid, Problem, Unavailable
from leadvibe.core.http.request_body import IncompleteBody
from leadvibe.core.transient import is_transient
from leadvibe.ingest.buffer import append
from leadvibe.ingest.csv_columns import Columns
from leadvibe.ingest.csv_decoding import NotCsv
from leadvibe.ingest.csv_reader import CsvReader, shown
from leadvibe.ingest.csv_records import Record
from leadvibe.ingest.import_keys import ImportKeys
from leadvibe.ingest.import_options import ImportOptions
from leadvibe.ingest.inbox import InboxRow, row_of
from leadvibe.ingest.refused_rows import RefusedRows
from leadvibe.ingest.repeats import Stored
from leadvibe.ingest.requests import Answer, IngestRequest
from leadvibe.ingest.schemas import MAX_REPORTED_ROWS, ImportResult, RejectedRow, RowWarning

ROWS_PER_COMMIT: Final = 2_000
ROWS_PER_TURN: Final = 500
ACCEPTED: Final = 202


class CsvImport:
    """Imports a file chunk by chunk. At most `ROWS_PER_COMMIT` rows wait in memory for their commit."""

    def __init__(
        self,
        unit_id: str,
        options: ImportOptions,
        keys: ImportKeys | str,
        *,
        phone_region: str | None,
        request: IngestRequest | None,
        refused: RefusedRows | None,
    ) -> None:
        self.result = ImportResult("import queued", imported=0, errors=0, error_rows=[])
        self._unit_id = unit_id
        self._options = options
        self._keys = keys
        """If this is a key, row n of the file, from 0, gets the idempotency key `key/n`."""
        self._phone_region = phone_region
        self._request = request
        self._refused = refused
        self._reader = CsvReader(options.delimiter)
        self._columns: Columns | None = None
        self._index = 0
        self._rows: list[InboxRow] = []

    async def feed(self, chunk: bytes) -> None:
        await self._add(self._reader.feed(chunk))

    async def finish(self) -> ImportResult:
        await self._add(self._reader.finish())
        self._open()
        self._warn_of_columns()
        await self._commit(last=True)
        return self.result

    def _warn_of_columns(self) -> None:
        columns = sorted(self._reader.columns_with_lost_values)[:MAX_REPORTED_ROWS]
        rows = self.result.warnings[: MAX_REPORTED_ROWS - len(columns)]
        lost = [f"column {column} has values but no name in the header; it is ignored" for column in columns]
        self.result.warnings = [*(RowWarning(self._reader.header_line, warning) for warning in lost), *rows]

    def _open(self) -> Columns:
        """The columns of the file, whose header has arrived."""
        if self._columns is None:
            self._columns = Columns(self._reader.checked_header(), self._options)
            self.result.ignored_columns = shown(self._columns.ignored)
        return self._columns

    async def _add(self, records: Iterable[Record]) -> None:
        try:
            for number, record in enumerate(records, start=1):
                self._read(record, self._open())
                if len(self._rows) >= ROWS_PER_COMMIT:
                    await self._commit()
                elif number % ROWS_PER_TURN == 0:
                    await asyncio.sleep(0)  # other requests have their turn
        except NotCsv as kind:
            raise Invalid.field("file", f"must be a CSV, but it is {kind}") from None

    def _read(self, record: Record, columns: Columns) -> None:
        key = f"{self._keys}/{self._index}" if isinstance(self._keys, str) else None
        self._index += 1
        if record.problem is not None:
            self._refuse(record, record.problem)
            return
        try:
            event, warnings = columns.read(record.cells, position_key=key, phone_region=self._phone_region)
        except Problem as problem:
            self._refuse(record, problem.detail)
            return
        if event.idempotency_key is None and isinstance(self._keys, ImportKeys):
            event = msgspec.structs.replace(event, idempotency_key=self._keys.key_of(event, record.line))
        self._rows.append(row_of(self._unit_id, event))
        self._warn(record.line, warnings)

    def _refuse(self, record: Record, error: str) -> None:
        self.result.errors += 1
        if len(self.result.error_rows) < MAX_REPORTED_ROWS:
            self.result.error_rows.append(RejectedRow(record.line, error))
        if self._refused is not None:
            delimiter = self._reader.delimiter or ","
            cells = record.cells
            if record.problem is not None:
                cells = self._reader.named_cells(next(csv.reader([record.text], delimiter=delimiter), list[str]()))
            self._refused.write(self._reader.header or [], delimiter, cells, f"line {record.line}: {error}")

    def _warn(self, line: int, warnings: Iterable[str]) -> None:
        reported = self.result.warnings
        reported += [RowWarning(line, warning) for warning in warnings][: MAX_REPORTED_ROWS - len(reported)]

    async def _commit(self, *, last: bool = False) -> None:
        """Store the waiting rows. The last commit of a request also stores its answer."""
        if not self._rows and not (last and self.result.imported):
            return
        answer = self._answer if last and self._request is not None else None
        stored = await append(self._rows, self._request, answer)
        self.result = self._result_with(stored)
        self._rows = []

    def _result_with(self, stored: Sequence[Stored]) -> ImportResult:
        """The result after these rows are stored. It is only counted once they are committed."""
        return msgspec.structs.replace(
            self.result,
            imported=self.result.imported + len(stored),
            repeated=self.result.repeated + sum(event.repeated for event in stored),
        )

    def _answer(self, stored: Sequence[Stored]) -> Answer:
        return Answer(ACCEPTED, msgspec.json.encode(self._result_with(stored)))


async def import_csv(
    chunks: AsyncIterable[bytes],
    unit_id: str,
    options: ImportOptions,
    keys: ImportKeys | str,
    *,
    phone_region: str | None = None,
    request: IngestRequest | None = None,
    refused: RefusedRows | None = None,
) -> ImportResult:
    """Import a file. `keys` are the keys of its rows, or the idempotency key of the request that brought it.

    `phone_region` is the OU's country of phone numbers without a country code.

    If the file can't be read to its end, the committed rows stay, and the problem says how many they are.
    """
    task = CsvImport(unit_id, options, keys, phone_region=phone_region, request=request, refused=refused)
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


def nothing_imported(result: ImportResult) -> str:
    """Why an import without an imported row failed."""
    if not result.error_rows:
        return "file: has no rows below its header"
    first = result.error_rows[0]
    return f"file: none of its {result.errors:,} rows can be imported. Line {first.line}: {first.error}"
