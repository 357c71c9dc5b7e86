"""Reads an uploaded CSV of leads: checks the file, detects identifier columns and splits the records into pieces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from leadvibe.core.http.multipart import UploadedFile
from leadvibe.core.http.problems import Invalid, UnsupportedMediaType
from leadvibe.identity.aliases import AliasKind
from leadvibe.ingest.csv_import import BYTE_ORDER_MARK, NOT_CSV
from leadvibe.ingest.csv_records import CsvRecords, Record
from leadvibe.leads.importing.detection import detect_identifiers

RECORDS_PER_PIECE: Final = 250
"""Small, because new events of the leads in a piece wait while it is imported."""
MAX_FILE_BYTES: Final = 10 * 1024 * 1024
MAX_COLUMNS: Final = 1_000
BLOCK_BYTES: Final = 64 * 1024
SAMPLE_ROWS: Final = 5
"""Rows that a preview shows."""
DETECTION_ROWS: Final = 100
"""Rows whose values are examined to detect identifier columns."""

CSV_TYPES: Final = frozenset(
    {
        *("", "text/csv", "text/x-csv", "application/csv", "application/x-csv", "text/comma-separated-values"),
        *("text/plain", "application/octet-stream", "application/vnd.ms-excel"),  # browsers send these for .csv files
    }
)
"""Accepted content types of the file, in lower case."""
SIGNATURES: Final = NOT_CSV | {
    b"PK\x05\x06": "an empty archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"7z\xbc\xaf": "an archive",
}
"""First bytes of files that are not CSV, and the kind of file."""
UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")

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


def encode_piece(records: Sequence[Record]) -> bytes:
    return _encoder.encode(records)


def decode_piece(body: bytes) -> list[Record]:
    return _decoder.decode(body)


def read_leads(upload: UploadedFile) -> LeadsFile:
    """Read a CSV in UTF-8 with a header row.

    Raises Invalid or UnsupportedMediaType for other files. Broken records are no error here: the import reports them.
    """
    _check_file_type(upload)
    records = _records(_check_utf8(upload.content))
    headers = _headers(next(records, None))
    examined: list[list[str]] = []
    pieces: list[bytes] = []
    row_count = 0
    while piece := _next_records(records):
        row_count += len(piece)
        examined += [record.cells for record in piece if not record.problem][: DETECTION_ROWS - len(examined)]
        pieces.append(encode_piece(piece))
    identifiers = detect_identifiers(headers, examined)
    return LeadsFile(headers, examined[:SAMPLE_ROWS], row_count, identifiers, pieces)


def _check_file_type(upload: UploadedFile) -> None:
    for signature, kind in SIGNATURES.items():
        if upload.content.startswith(signature):
            raise UnsupportedMediaType(f"file: is {kind}; send a CSV in UTF-8")
    if upload.content.startswith(UTF_16_MARKS):
        raise Invalid.field("file", "is in UTF-16; send it in UTF-8")
    if b"\x00" in upload.content[:BLOCK_BYTES]:
        raise UnsupportedMediaType("file: is binary; send a CSV in UTF-8")
    if upload.media_type not in CSV_TYPES:
        raise UnsupportedMediaType(f"file: has the content type {upload.media_type[:100]}; send a CSV (text/csv)")


def _check_utf8(content: bytes) -> bytes:
    """The content without a byte order mark."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Invalid.field("file", f"line {line} is not UTF-8") from None
    return content.removeprefix(BYTE_ORDER_MARK)


def _records(content: bytes) -> Iterator[Record]:
    reader = CsvRecords()
    for start in range(0, len(content), BLOCK_BYTES):
        yield from reader.feed(content[start : start + BLOCK_BYTES])
    yield from reader.finish()


def _next_records(records: Iterator[Record]) -> list[Record]:
    return [record for _, record in zip(range(RECORDS_PER_PIECE), records, strict=False)]


def _headers(record: Record | None) -> list[str]:
    if record is None:
        raise Invalid.field("file", "is empty; it must start with a header row")
    if record.problem is not None:
        raise Invalid.field("file", f"the header {record.problem}")
    headers = [cell.strip() for cell in record.cells]
    if len(headers) > MAX_COLUMNS:
        raise Invalid.field("file", f"has {len(headers):,} columns; at most {MAX_COLUMNS:,} are allowed")
    seen: set[str] = set()
    for number, name in enumerate(headers, start=1):
        if not name:
            raise Invalid.field("file", f"column {number} has no name in the header")
        if name in seen:
            raise Invalid.field("file", f"the header contains the column {name!r} twice")
        seen.add(name)
    return headers
