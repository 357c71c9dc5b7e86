"""Reads the header and the rows of a CSV as spreadsheets and other programs write it, chunk by chunk."""

from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import Final

from leadvibe.core.http.problems import Invalid
from leadvibe.ingest.csv_decoding import CsvDecoder
from leadvibe.ingest.csv_delimiter import find_delimiter, is_enough, stated_delimiter
from leadvibe.ingest.csv_records import CsvRecords, Record

MAX_COLUMNS: Final = 1_000
MAX_NAMED_COLUMNS: Final = 100
"""Column names that a result lists."""


class CsvReader:
    """Reads a file. The first record is the header; the others are rows.

    Finds the encoding and, unless it is given, the delimiter. Skips blank rows, and drops the columns that have no
    name in the header: the cells of a row stand in the order of `header`. Raises NotCsv for other kinds of files.
    """

    def __init__(self, delimiter: str | None = None) -> None:
        self.header: list[str] | None = None
        """The names of the columns. None until the header has arrived."""
        self.header_line = 1
        self.header_problem: str | None = None
        self.delimiter = delimiter
        self.columns_with_lost_values: set[int] = set()
        """The numbers, from 1, of columns that have values but no name."""
        self._decoder = CsvDecoder()
        self._sample = bytearray()
        self._records: CsvRecords | None = None
        self._named: list[int] | None = None
        """The positions of the columns with a name; None if all columns have one."""
        self._width = 0

    def feed(self, chunk: bytes) -> Generator[Record]:
        """The rows that this chunk completes."""
        text = self._decoder.feed(chunk)
        if self._records is not None:
            yield from self._rows(self._records.feed(text))
            return
        self._sample += text
        if is_enough(self._sample):
            yield from self._open()

    def finish(self) -> Generator[Record]:
        """The rows that the end of the file completes."""
        text = self._decoder.finish()
        if self._records is None:
            self._sample += text
            yield from self._open()
        elif text:
            yield from self._rows(self._records.feed(text))
        if self._records is not None:
            yield from self._rows(self._records.finish())

    def _open(self) -> Generator[Record]:
        sample, self._sample = bytes(self._sample), bytearray()
        stated, length = stated_delimiter(sample)
        text = sample[length:]
        self.delimiter = self.delimiter or stated or find_delimiter(text)
        self._records = CsvRecords(self.delimiter, first_line=2 if length else 1)
        yield from self._rows(self._records.feed(text))

    def _rows(self, records: Iterable[Record]) -> Generator[Record]:
        for record in records:
            if record.problem is None and not "".join(record.cells).strip():
                continue
            if self.header is None:
                self._read_header(record)
            elif record.problem is None and (self._named is not None or len(record.cells) > self._width):
                yield replace(record, cells=self.named_cells(record.cells))
            else:
                yield record

    def _read_header(self, record: Record) -> None:
        names = [name.strip() for name in record.cells]
        self.header = [name for name in names if name]
        self.header_line = record.line
        self.header_problem = record.problem
        self._width = len(names)
        if len(self.header) < len(names):
            self._named = [at for at, name in enumerate(names) if name]

    def checked_header(self) -> list[str]:
        """The names of the columns, when the header has arrived. Raises Invalid if they can't be read."""
        if self.header is None:
            raise Invalid.field("file", "is empty; it must start with a header row")
        if self.header_problem is not None:
            raise Invalid.field("file", f"must be a CSV in UTF-8: the header {self.header_problem}")
        if len(self.header) > MAX_COLUMNS:
            raise Invalid.field("file", f"has {len(self.header):,} columns; at most {MAX_COLUMNS:,} are allowed")
        return self.header

    def named_cells(self, cells: list[str]) -> list[str]:
        """The cells of the columns with a name. Cells to the right of the header stay if they are not empty."""
        named, right = cells, list[str]()
        if len(cells) > self._width:
            named, right = cells[: self._width], cells[self._width :]
            while right and not right[-1].strip():
                right.pop()
        if self._named is not None:
            lost = {at + 1 for at, cell in enumerate(named) if cell.strip()}.difference(at + 1 for at in self._named)
            self.columns_with_lost_values |= lost
            named = [named[at] if at < len(named) else "" for at in self._named]
        return named + right


def shown(columns: Iterable[str]) -> list[str]:
    """The first of these column names, as many as a result lists."""
    return list(columns)[:MAX_NAMED_COLUMNS]
