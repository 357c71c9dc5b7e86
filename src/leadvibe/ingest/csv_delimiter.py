"""Finds the delimiter of a CSV from its first lines."""

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

from leadvibe.core.http.problems import Invalid

DELIMITERS: Final = (",", ";", "\t", "|")
"""The delimiters that are found. If two fit equally well, the first one wins."""
NAMES: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
SAMPLE_LINES: Final = 20
SAMPLE_BYTES: Final = 64 * 1024

_SEP_LINE = re.compile(rb'"?sep=([^"\r\n])"?[,;\t|]*\r?\n?', re.IGNORECASE)


def read_delimiter(text: str) -> str:
    """A delimiter as a user writes it. Raises Invalid."""
    delimiter = NAMES.get(text.lower(), text)
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter.isalnum() or delimiter in '"\r\n\x00':
        raise Invalid.field("delimiter", "must be one character, like ; or |, or the word tab")
    return delimiter


def is_enough(sample: bytes | bytearray) -> bool:
    """Whether the sample shows the delimiter, so that no more of the file is needed."""
    return len(sample) >= SAMPLE_BYTES or sample.count(b"\n") >= SAMPLE_LINES


def stated_delimiter(sample: bytes) -> tuple[str | None, int]:
    """The delimiter that a first line like `sep=;` states, and the length of this line."""
    match = _SEP_LINE.match(sample)
    if match is None or not match[1].isascii():
        return None, 0
    return match[1].decode(), match.end()


def find_delimiter(sample: bytes) -> str:
    """The delimiter that splits the header, and the most rows into as many cells as the header."""
    lines = sample[:SAMPLE_BYTES].decode(errors="replace").splitlines(keepends=True)[:SAMPLE_LINES]
    return max(DELIMITERS, key=lambda delimiter: _fit(lines, delimiter))


def _fit(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """The share of the rows with as many cells as the header, and the number of these cells."""
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    widths: list[int] = []
    with suppress(csv.Error):  # the lines up to the error still count
        widths.extend(len(row) for row in islice(rows, SAMPLE_LINES) if "".join(row).strip())
    if not widths or widths[0] == 1:
        return 0.0, 0
    header, *others = widths
    return (others.count(header) + 1) / (len(others) + 1), header
