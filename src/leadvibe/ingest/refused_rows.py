"""Writes the refused rows of an import to a CSV that can be corrected and imported again."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from leadvibe.ingest.csv_columns import ERROR_COLUMN


class RefusedRows:
    """A new file with the header of the import, and a first column that says what is wrong with each row."""

    def __init__(self, path: Path) -> None:
        """The file is created with its first row."""
        self.path = path
        self._file: TextIO | None = None
        self._writer: Any = None

    @property
    def is_empty(self) -> bool:
        return self._file is None

    def write(self, header: Sequence[str], delimiter: str, cells: Sequence[str], error: str) -> None:
        """Add a row. Raises FileExistsError or another OSError if the file can't be created."""
        columns = [at for at, name in enumerate(header) if name.lower() != ERROR_COLUMN]
        if self._file is None:
            # With a byte order mark, because some spreadsheet programs recognize UTF-8 only by it.
            self._file = self.path.open("x", encoding="utf-8-sig", newline="")
            self._writer = csv.writer(self._file, delimiter=delimiter, lineterminator="\n")
            self._writer.writerow([ERROR_COLUMN, *(header[at] for at in columns)])
        row = [cells[at] if at < len(cells) else "" for at in columns]
        self._writer.writerow([error, *row, *cells[len(header) :]])

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
