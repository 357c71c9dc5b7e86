"""Splits CSV that arrives in pieces into records, and lets no broken record swallow what follows it."""

import csv
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from itertools import islice
from typing import Final

LONGEST_RECORD: Final = 1024 * 1024
"""Bytes. An open quote that isn't closed within them, or within the CSV reader's limit to one cell, is a mistake."""

UNCLOSED: Final = "has a quote that is not closed"
PROBLEMS: Final = {
    "new-line character": "has a carriage return in the middle of a line",
    "field larger": f"has a cell of more than {csv.field_size_limit():,} characters",
    "',' expected": "has text behind a closing quote",
    "unexpected end": UNCLOSED,
}
"""By how the CSV reader's own message begins: that one is meant for programmers, and is another in each version."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record; where it is broken, `problem` says how and there are no cells."""

    line: int
    """The number of its first line, from 1."""
    cells: list[str]
    problem: str | None = None


class CsvRecords:
    """A record whose quote is never closed ends at its first line break, and reading goes on after that."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._unfinished = b""
        self._line = 1
        self._passing_over = False

    def feed(self, piece: bytes) -> Generator[Record]:
        """The records that are complete with this piece."""
        *lines, self._unfinished = (self._unfinished + piece).split(b"\n")
        self._lines.extend(line + b"\n" for line in lines)
        if self._passing_over and self._lines:
            self._passing_over = False
            self._drop()
        yield from self._records(final=False)
        if len(self._unfinished) > LONGEST_RECORD:
            self._unfinished = b""
            if not self._passing_over:
                self._passing_over = True
                yield from self._broken_lines(f"is longer than {LONGEST_RECORD:,} bytes")

    def finish(self) -> Generator[Record]:
        """The records that only the end completes."""
        if self._unfinished and not self._passing_over:
            self._lines.append(self._unfinished)
        self._unfinished = b""
        yield from self._records(final=True)

    def _records(self, *, final: bool) -> Generator[Record]:
        while self._lines and (record := self._next(final=final)):
            if record.cells or record.problem:
                yield record

    def _broken_lines(self, problem: str) -> Generator[Record]:
        """What waits for the end of a line that is too long is broken too."""
        line = self._line + len(self._lines)
        yield from self._records(final=True)
        yield Record(line, [], problem)

    def _next(self, *, final: bool) -> Record | None:
        """The first record of the lines; None where its end hasn't arrived."""
        supply = _Supply(self._lines)
        line = self._line
        try:
            cells = next(csv.reader(supply, strict=True))
        except UnicodeDecodeError:
            problem = "is not UTF-8"
        except csv.Error as error:
            if supply.is_used_up and not final:
                return None
            problem = UNCLOSED if supply.taken > 1 or supply.is_used_up else _in_own_words(error)
        else:
            self._drop(supply.taken)
            return Record(line, cells)
        self._drop()
        return Record(line, [], problem)

    def _drop(self, lines: int = 1) -> None:
        for _ in range(lines):
            self._lines.popleft()
        self._line += lines


def _in_own_words(error: csv.Error) -> str:
    return next((own for start, own in PROBLEMS.items() if str(error).startswith(start)), "cannot be read as CSV")


class _Supply:
    """Hands the waiting lines to a CSV reader, and remembers how many it took."""

    def __init__(self, lines: deque[bytes]) -> None:
        self._lines = islice(lines, None)
        self._bytes = 0
        self.taken = 0
        self.is_used_up = False
        """It asked for more lines than there are."""

    def __iter__(self) -> "_Supply":
        return self

    def __next__(self) -> str:
        if self._bytes > LONGEST_RECORD:
            raise StopIteration
        line = next(self._lines, None)
        if line is None:
            self.is_used_up = True
            raise StopIteration
        self._bytes += len(line)
        self.taken += 1
        return line.decode()
