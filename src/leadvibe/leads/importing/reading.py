"""Reads an uploaded CSV of leads: checks the file, detects identifier columns and splits the records into pieces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import msgspec

from leadvibe.core.http.multipart import UploadedFile
from leadvibe.core.http.problems import Invalid, UnsupportedMediaType
from leadvibe.core.threads import StopSignal
from leadvibe.identity.aliases import AliasKind
from leadvibe.ingest.csv_decoding import UTF_16, kind_of_file
from leadvibe.ingest.csv_reader import CsvReader
from leadvibe.ingest.csv_records import Record
from leadvibe.leads.importing.detection import detect_identifiers

RECORDS_PER_PIECE: Final = 250
"""Small, because new events of the leads in a piece wait while it is imported."""
MAX_FILE_BYTES: Final = 10 * 1024 * 1024
BLOCK_BYTES: Final = 64 * 1024
SAMPLE_ROWS: Final = 5
"""Rows that a preview shows."""
DETECTION_ROWS: Final = 10_000
"""Rows whose values are examined to detect identifier columns."""

CSV_TYPES: Final = frozenset(
    {
        *("", "text/csv", "text/x-csv", "application/csv", "application/x-csv", "text/comma-separated-values"),
        *("text/plain", "application/octet-stream", "application/vnd.ms-excel"),  # browsers send these for .csv files
    }
)
"""Accepted content types of the file, in lower case."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Record])


@dataclass(frozen=True, slots=True)
class LeadsFile:
    headers: list[str]
    sample_rows: list[list[str]]
    row_count: int
    identifiers: dict[AliasKind, list[str]]
    """The detected columns of each kind."""
    pieces: list[bytes]
    """Encoded records; see `encode_piece`."""
    delimiter: str
    warnings: list[str]


def encode_piece(records: Sequence[Record]) -> bytes:
    return _encoder.encode(records)


def decode_piece(body: bytes) -> list[Record]:
    return _decoder.decode(body)


def read_leads(upload: UploadedFile, signal: StopSignal, *, max_rows: int, delimiter: str | None = None) -> LeadsFile:
    """Read a CSV with a header row, in UTF-8, or in UTF-16 with a byte order mark.

    Raises Invalid or UnsupportedMediaType for other files, and Invalid for more rows than `max_rows`. Broken records
    are no error here: the import reports them.
    """
    _check_file_type(upload)
    reader = CsvReader(delimiter)
    records = _records(reader, upload.content)
    # The first rows show the delimiter, so the header is read together with them.
    piece = _next_records(records)
    headers = _check_headers(reader)
    examined: list[list[str]] = []
    pieces: list[bytes] = []
    row_count = 0
    while piece:
        signal.check()
        row_count += len(piece)
        if row_count > max_rows:
            raise Invalid.field("file", f"must have at most {max_rows:,} rows (setting LEADVIBE_LEAD_IMPORT_ROWS)")
        examined += [record.cells for record in piece if not record.problem][: DETECTION_ROWS - len(examined)]
        pieces.append(encode_piece(piece))
        piece = _next_records(records)
    identifiers = detect_identifiers(headers, examined)
    warnings = [
        f"column {column} has values but no name in the header; it is ignored"
        for column in sorted(reader.columns_with_lost_values)
    ]
    return LeadsFile(headers, examined[:SAMPLE_ROWS], row_count, identifiers, pieces, reader.delimiter or ",", warnings)


def _check_file_type(upload: UploadedFile) -> None:
    if kind := kind_of_file(upload.content):
        raise UnsupportedMediaType(f"file: is {kind}; send a CSV in UTF-8")
    if upload.media_type not in CSV_TYPES:
        raise UnsupportedMediaType(f"file: has the content type {upload.media_type[:100]}; send a CSV (text/csv)")
    if upload.content.startswith(tuple(UTF_16)):
        return
    if b"\x00" in upload.content[:BLOCK_BYTES]:
        raise UnsupportedMediaType("file: is binary; send a CSV in UTF-8")
    _check_utf8(upload.content)


def _check_utf8(content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Invalid.field("file", f"line {line} is not UTF-8") from None


def _records(reader: CsvReader, content: bytes) -> Iterator[Record]:
    for start in range(0, len(content), BLOCK_BYTES):
        yield from reader.feed(content[start : start + BLOCK_BYTES])
    yield from reader.finish()


def _next_records(records: Iterator[Record]) -> list[Record]:
    """The records of the next piece. The text of malformed ones is not stored: a deletion couldn't search it."""
    following = islice(records, RECORDS_PER_PIECE)
    return [replace(record, text="") if record.text else record for record in following]


def _check_headers(reader: CsvReader) -> list[str]:
    headers = reader.checked_header()
    seen: set[str] = set()
    for name in headers:
        if name in seen:
            raise Invalid.field("file", f"the header contains the column {name!r} twice")
        seen.add(name)
    return headers
