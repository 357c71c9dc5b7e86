"""Parses CSV that arrives in chunks. A malformed record does not affect the records after it."""

import csv
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

MAX_RECORD_BYTES: Final = 1024 * 1024
"""A quote that is not closed within this size, or within the CSV reader's limit for one cell, is an error."""

CLOSED: Final = "closed"
UNCLOSED: Final = "has a quote that is not closed"
NOT_UTF8: Final = "is not UTF-8"
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
    """Parses records chunk by chunk. A record with an unclosed quote ends at its first line break.

    Each line is parsed at most three times, however its quotes stand: as the start of a record, as the continuation of
    a quoted cell, and as a part of a complete record.
    """

    def __init__(self, delimiter: str = ",", *, first_line: int = 1) -> None:
        self._delimiter = delimiter
        self._lines: deque[bytes] = deque()
        self._unfinished = bytearray()
        self._line = first_line
        self._is_skipping = False
        self._is_open = False
        """Whether the first line opens a quote that it doesn't close."""
        self._continuation = _Continuation()

    def feed(self, chunk: bytes) -> Generator[Record]:
        """The records that this chunk completes."""
        self._unfinished += chunk
        if b"\n" in chunk:
            *lines, self._unfinished = self._unfinished.split(b"\n")
            self._lines.extend(bytes(line) + b"\n" for line in lines)
        if self._is_skipping and self._lines:
            self._is_skipping = False
            self._drop()
        yield from self._records(final=False)
        if len(self._unfinished) > MAX_RECORD_BYTES:
            self._unfinished.clear()
            if not self._is_skipping:
                self._is_skipping = True
                yield from self._end_at_long_line(f"is longer than {MAX_RECORD_BYTES:,} bytes")

    def finish(self) -> Generator[Record]:
        """The records that the end of the file completes."""
        if self._unfinished and not self._is_skipping:
            self._lines.append(bytes(self._unfinished))
        self._unfinished.clear()
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
        if self._is_open:
            return self._next_of_several_lines(final=final)
        cells, problem = self._parse(self._lines[0])
        if problem == UNCLOSED:
            self._is_open = True
            return self._next_of_several_lines(final=final)
        return self._take(1, cells, problem)

    def _next_of_several_lines(self, *, final: bool) -> Record | None:
        after = self._continuation
        size = len(self._lines[0])
        while after.end is None and after.lines + 1 < len(self._lines) and size + after.size <= MAX_RECORD_BYTES:
            line = self._lines[after.lines + 1]
            _, problem = self._parse(b'"' + line)
            after.add(line, problem)
        if after.end == CLOSED:
            lines = after.lines + 2
            return self._take(lines, *self._parse(b"".join(islice(self._lines, lines))))
        if after.end is None and size + after.size <= MAX_RECORD_BYTES and not final:
            return None
        return self._take(1, [], after.end or UNCLOSED)

    def _parse(self, text: bytes) -> tuple[list[str], str | None]:
        """The cells of a record, or its problem; UNCLOSED if the text ends inside quotes."""
        try:
            return next(csv.reader([text.decode()], strict=True, delimiter=self._delimiter)), None
        except UnicodeDecodeError:
            return [], NOT_UTF8
        except csv.Error as error:
            return [], _message(error)

    def _take(self, lines: int, cells: list[str], problem: str | None) -> Record:
        """The record in the next lines, which are dropped."""
        text = "" if problem is None else _readable(self._lines[0])
        record = Record(self._line, cells, problem, text)
        self._drop(lines)
        return record

    def _drop(self, lines: int = 1) -> None:
        for _ in range(lines):
            self._lines.popleft()
            self._continuation.drop(self._lines)
        self._line += lines
        self._is_open = False


@dataclass(slots=True)
class _Continuation:
    """What the lines after the first one are if the first one leaves a quote open.

    This doesn't depend on the first line, so it stays known for the next lines when the first one is dropped.
    """

    lines: int = 0
    """The number of lines, after the first, that keep the quote open or close it and open another one."""
    size: int = 0
    """Their size in bytes."""
    cell_size: int = 0
    """The size of those without any quote since the last one that has one: they are all in one cell."""
    end: str | None = None
    """What the line after these is: CLOSED if it closes the record, else its problem. None if it is unknown."""

    def add(self, line: bytes, problem: str | None) -> None:
        """Add the next line, with its problem if a quote is placed before it."""
        self.cell_size = self.cell_size + len(line) if b'"' not in line else 0
        if problem == UNCLOSED and self.cell_size <= csv.field_size_limit():
            self.lines += 1
            self.size += len(line)
        elif problem is None:
            self.end = CLOSED
        else:
            self.end = problem if problem == NOT_UTF8 else UNCLOSED

    def drop(self, lines: Sequence[bytes]) -> None:
        """The first line was dropped, and these remain."""
        if self.lines:
            self.lines -= 1
            self.size -= len(lines[0])
        else:
            self.end, self.cell_size = None, 0


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
