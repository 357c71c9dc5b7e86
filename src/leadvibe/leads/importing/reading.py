"""Reads an uploaded CSV of leads: its header, and its records in pieces that one transaction each can import."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from leadvibe.core.http.multipart import UploadedFile
from leadvibe.core.http.problems import Invalid, UnsupportedMediaType
from leadvibe.identity.aliases import AliasKind
from leadvibe.ingest.csv_import import BYTE_ORDER_MARK, NOT_CSV
from leadvibe.ingest.csv_records import CsvRecords, Record
from leadvibe.leads.importing.detection import detect

PIECE_RECORDS: Final = 250
"""Few: an event of one of their leads waits until the piece is imported."""
LARGEST: Final = 10 * 1024 * 1024
MOST_COLUMNS: Final = 1_000
READ_AT_ONCE: Final = 64 * 1024
SAMPLE_ROWS: Final = 5
JUDGED_ROWS: Final = 100
"""By so many rows it is judged what a column holds."""

CSV_TYPES: Final = frozenset(
    {
        *("", "text/csv", "text/x-csv", "application/csv", "application/x-csv", "text/comma-separated-values"),
        *("text/plain", "application/octet-stream", "application/vnd.ms-excel"),  # so browsers call a .csv
    }
)
SIGNATURES: Final = NOT_CSV | {
    b"PK\x05\x06": "an empty archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"7z\xbc\xaf": "an archive",
}
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Record])


@dataclass(frozen=True, slots=True)
class LeadsFile:
    headers: list[str]
    sample_rows: list[list[str]]
    row_count: int
    identifiers: dict[AliasKind, list[str]]
    pieces: list[bytes]


def encode_piece(records: Sequence[Record]) -> bytes:
    return _encoder.encode(records)


def decode_piece(body: bytes) -> list[Record]:
    return _decoder.decode(body)


def read_leads(upload: UploadedFile) -> LeadsFile:
    """The file, if it is a CSV in UTF-8 with a header; a broken record in it is a matter of its import."""
    _check_kind(upload)
    records = _records(_utf8(upload.content))
    headers = _headers(next(records, None))
    judged: list[list[str]] = []
    pieces: list[bytes] = []
    count = 0
    while piece := _take(records):
        count += len(piece)
        judged += [record.cells for record in piece if not record.problem][: JUDGED_ROWS - len(judged)]
        pieces.append(encode_piece(piece))
    return LeadsFile(headers, judged[:SAMPLE_ROWS], count, detect(headers, judged), pieces)


def _check_kind(upload: UploadedFile) -> None:
    for signature, kind in SIGNATURES.items():
        if upload.content.startswith(signature):
            raise UnsupportedMediaType(f"file: is {kind}; a CSV in UTF-8 is expected")
    if upload.content.startswith(UTF_16):
        raise Invalid.field("file", "is not UTF-8 but UTF-16: line 1 begins with its mark")
    if b"\x00" in upload.content[:READ_AT_ONCE]:
        raise UnsupportedMediaType("file: is binary; a CSV in UTF-8 is expected")
    if upload.media_type not in CSV_TYPES:
        raise UnsupportedMediaType(f"file: is sent as {upload.media_type[:100]}; a CSV (text/csv) is expected")


def _utf8(content: bytes) -> bytes:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Invalid.field("file", f"line {line} is not UTF-8") from None
    return content.removeprefix(BYTE_ORDER_MARK)


def _records(content: bytes) -> Iterator[Record]:
    reader = CsvRecords()
    for start in range(0, len(content), READ_AT_ONCE):
        yield from reader.feed(content[start : start + READ_AT_ONCE])
    yield from reader.finish()


def _take(records: Iterator[Record]) -> list[Record]:
    return [record for _, record in zip(range(PIECE_RECORDS), records, strict=False)]


def _headers(record: Record | None) -> list[str]:
    if record is None:
        raise Invalid.field("file", "is empty: a header row is expected")
    if record.problem is not None:
        raise Invalid.field("file", f"the header {record.problem}")
    headers = [cell.strip() for cell in record.cells]
    if len(headers) > MOST_COLUMNS:
        raise Invalid.field("file", f"the header names {len(headers):,} columns, and may name {MOST_COLUMNS:,}")
    seen: set[str] = set()
    for place, name in enumerate(headers, start=1):
        if not name:
            raise Invalid.field("file", f"the header names nothing for column {place}")
        if name in seen:
            raise Invalid.field("file", f"the header names the column {name!r} twice")
        seen.add(name)
    return headers
