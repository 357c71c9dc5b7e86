"""Idempotency keys of imported rows that have none, so that importing a row again has no effect."""

import hashlib
import sqlite3
import weakref
from typing import Final

import msgspec

from leadvibe.ingest.inbox import AcceptedEvent

MAX_IN_MEMORY: Final = 250_000
"""Contents of rows that are counted in memory, which takes about 30 MB. More are counted in a temporary file."""

_CREATE: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16000; -- KiB
CREATE TABLE counts (content INTEGER PRIMARY KEY, earlier INTEGER NOT NULL DEFAULT 0);
BEGIN
"""
_COUNT: Final = """
INSERT INTO counts (content) VALUES (?)
ON CONFLICT DO UPDATE SET earlier = earlier + 1
RETURNING earlier
"""

_encoder = msgspec.msgpack.Encoder()


class ImportKeys:
    """Keys of the rows of one file.

    A dated event gets the digest of its content and the number of equal events before it in the file, so a corrected
    or longer file adds only its new rows. An undated event happens when it is imported, so equal rows of two files are
    two events: its key has the digest of the file and the line.
    """

    def __init__(self, file_digest: bytes) -> None:
        self._file = file_digest
        self._contents = _Contents()

    def key_of(self, event: AcceptedEvent, line: int) -> str:
        digest = _digest(event)
        if event.timestamp is None:
            # With the content, because the same file can be imported with other options.
            file_and_line = self._file + line.to_bytes(8)
            return f"line:{hashlib.sha256(file_and_line + digest).hexdigest()}"
        # A part of the digest counts the repeats: a file may have millions of rows.
        number = self._contents.count(int.from_bytes(digest[:8], signed=True))
        return f"row:{digest.hex()}/{number}"


class _Contents:
    """Counts equal contents in bounded memory."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._file: sqlite3.Connection | None = None

    def count(self, content: int) -> int:
        """How often the content was counted before."""
        earlier = self._counts.get(content)
        if earlier is None and len(self._counts) >= MAX_IN_MEMORY:
            return self._count_in_file(content)
        self._counts[content] = (earlier or 0) + 1
        return earlier or 0

    def _count_in_file(self, content: int) -> int:
        if self._file is None:
            self._file = sqlite3.connect("", isolation_level=None)  # a temporary file without a name
            weakref.finalize(self, self._file.close)
            self._file.executescript(_CREATE)
        [(earlier,)] = self._file.execute(_COUNT, (content,))
        return earlier


def _digest(event: AcceptedEvent) -> bytes:
    """SHA-256 of what the event says, however its identifiers are spelled."""
    aliases = [(alias.kind, alias.value) for alias in event.aliases]
    content = (event.event_type, event.lead_id, aliases, event.timestamp, event.metadata)
    return hashlib.sha256(_encoder.encode(content)).digest()
