"""Parses CSV that arrives in chunks. A malformed record does not affect the records after it."""

import csv
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

MAX_RECORD_BYTES: Final = 1024 * 1024
"""A quote that is not closed within this size, or within the CSV reader's limit for one cell, is an error."""

UNCLOSED: Final = "has a quote that is not closed"
TEXT_AFTER_QUOTE: Final = "has text after a closing quote"
PROBLEMS: Final = {
    "new-line character": "has a carriage return in the middle of a line",
    "field larger": f"has a cell of more than {csv.field_size_limit():,} characters",
    "unexpected end": UNCLOSED,
}
"""Our messages, by the beginning of the CSV reader's own, which are for programmers and change between versions."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record. A malformed record has a `problem` and no cells."""

    line: int
    """The number of its first line, from 1."""
    cells: list[str]
    problem: str | None = None
    text: str = field(default="", compare=False)
    """The text of a malformed record as far as it can be read, for the user who corrects it."""


class CsvRecords:
    """Parses records chunk by chunk. A record with an unclosed quote ends at its first line break."""

    def __init__(self, delimiter: str = ",", *, first_line: int = 1) -> None:
        self._delimiter = delimiter
        self._lines: deque[bytes] = deque()
        self._unfinished = b""
        self._line = first_line
        self._is_skipping = False

    def feed(self, chunk: bytes) -> Generator[Record]:
        """The records that this chunk completes."""
        *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
        self._lines.extend(line + b"\n" for line in lines)
        if self._is_skipping and self._lines:
            self._is_skipping = False
            self._drop()
        yield from self._records(final=False)
        if len(self._unfinished) > MAX_RECORD_BYTES:
            self._unfinished = b""
            if not self._is_skipping:
                self._is_skipping = True
                yield from self._end_at_long_line(f"is longer than {MAX_RECORD_BYTES:,} bytes")

    def finish(self) -> Generator[Record]:
        """The records that the end of the file completes."""
        if self._unfinished and not self._is_skipping:
            self._lines.append(self._unfinished)
        self._unfinished = b""
        yield from self._records(final=True)

    def _records(self, *, final: bool) -> Generator[Record]:
        while self._lines and (record := self._next(final=final)):
            if record.cells or record.problem:
                yield record

    def _end_at_long_line(self, problem: str) -> Generator[Record]:
        """Report a line that is too long. Records that wait for its end are malformed as well."""
        line = self._line + len(self._lines)
        yield from self._records(final=True)
        yield Record(line, [], problem)

    def _next(self, *, final: bool) -> Record | None:
        """The next record, or None if its end has not arrived."""
        supply = _LineSupply(self._lines)
        line = self._line
        try:
            cells = next(csv.reader(supply, strict=True, delimiter=self._delimiter))
        except UnicodeDecodeError:
            problem = "is not UTF-8"
        except csv.Error as error:
            if supply.is_exhausted and not final:
                return None
            problem = UNCLOSED if supply.lines_read > 1 or supply.is_exhausted else _message(error)
        else:
            self._drop(supply.lines_read)
            return Record(line, cells)
        text = _readable(self._lines[0])
        self._drop()
        return Record(line, [], problem, text)

    def _drop(self, lines: int = 1) -> None:
        for _ in range(lines):
            self._lines.popleft()
        self._line += lines


def _readable(line: bytes) -> str:
    """A malformed line as text. Most lines that aren't UTF-8 were written by Windows programs."""
    text = line.rstrip(b"\r\n")
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace")


def _message(error: csv.Error) -> str:
    if " expected after " in str(error):  # the message starts with the delimiter
        return TEXT_AFTER_QUOTE
    return next(
        (message for start, message in PROBLEMS.items() if str(error).startswith(start)), "cannot be read as CSV"
    )


class _LineSupply:
    """Passes the waiting lines to a CSV reader, and counts the lines that it reads."""

    def __init__(self, lines: deque[bytes]) -> None:
        self._lines = islice(lines, None)
        self._bytes = 0
        self.lines_read = 0
        self.is_exhausted = False
        """The reader needs more lines than have arrived."""

    def __iter__(self) -> "_LineSupply":
        return self

    def __next__(self) -> str:
        if self._bytes > MAX_RECORD_BYTES:
            raise StopIteration
        line = next(self._lines, None)
        if line is None:
            self.is_exhausted = True
            raise StopIteration
        self._bytes += len(line)
        self.lines_read += 1
        return line.decode()
