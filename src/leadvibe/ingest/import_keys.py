"""Idempotency keys of imported rows that have none, so that importing a row again has no effect."""

import hashlib
from collections.abc import Generator
from tempfile import SpooledTemporaryFile
from typing import Final

import msgspec

from leadvibe.ingest.inbox import AcceptedEvent, decode, encode

MAX_BYTES_IN_MEMORY: Final = 8 * 1024 * 1024
"""Undated events beyond this size wait in a temporary file."""
_LENGTH_BYTES: Final = 4
_LINE_BYTES: Final = 8

_encoder = msgspec.msgpack.Encoder()


class ImportKeys:
    """Keys of the rows of one file.

    A dated event gets the digest of its content and the number of equal events before it in the file, so a corrected
    or longer file adds only its new rows. An undated event happens when it is imported, so equal rows of two files are
    two events: its key has the digest of the whole file and the line. It waits until the file has been read.
    """

    def __init__(self) -> None:
        self._file = hashlib.sha256()
        self._seen: set[int] = set()
        self._repeated: dict[int, int] = {}
        """Content → its number of earlier rows, of contents that occur more than once."""
        self._undated = SpooledTemporaryFile[bytes](max_size=MAX_BYTES_IN_MEMORY)

    def add_content(self, chunk: bytes) -> None:
        """Add a part of the file to its digest."""
        self._file.update(chunk)

    def with_key(self, event: AcceptedEvent) -> AcceptedEvent:
        """The dated event with a key."""
        digest = _digest(event)
        # A part of the digest counts the repeats: a file may have millions of rows.
        content = int.from_bytes(digest[:8])
        number = 0
        if content in self._seen:
            number = self._repeated[content] = self._repeated.get(content, 0) + 1
        self._seen.add(content)
        return msgspec.structs.replace(event, idempotency_key=f"row:{digest.hex()}/{number}")

    def keep(self, event: AcceptedEvent, line: int) -> None:
        """Store an undated event until the file has been read."""
        body = encode(event)
        self._undated.write(len(body).to_bytes(_LENGTH_BYTES) + line.to_bytes(_LINE_BYTES) + body)

    def undated(self) -> Generator[AcceptedEvent]:
        """The stored events, with their keys. Call it after the whole file was added."""
        file = self._file.digest()
        self._undated.seek(0)
        while head := self._undated.read(_LENGTH_BYTES + _LINE_BYTES):
            line = head[_LENGTH_BYTES:]
            event = decode(self._undated.read(int.from_bytes(head[:_LENGTH_BYTES])))
            # With the content, because the same file can be imported with other options.
            digest = hashlib.sha256(file + line + _digest(event)).hexdigest()
            yield msgspec.structs.replace(event, idempotency_key=f"line:{digest}")

    def close(self) -> None:
        """Delete the temporary file."""
        self._undated.close()


def _digest(event: AcceptedEvent) -> bytes:
    """SHA-256 of what the event says, however its identifiers are spelled."""
    aliases = [(alias.kind, alias.value) for alias in event.aliases]
    content = (event.event_type, event.lead_id, aliases, event.timestamp, event.metadata)
    return hashlib.sha256(_encoder.encode(content)).digest()
