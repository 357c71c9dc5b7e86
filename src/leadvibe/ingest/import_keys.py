"""Idempotency keys of imported rows that have none, so that importing a row again has no effect."""

import hashlib

import msgspec

from leadvibe.ingest.inbox import AcceptedEvent

_encoder = msgspec.msgpack.Encoder()


class ImportKeys:
    """Keys of the rows of one file.

    A dated event gets the digest of its content and the number of equal events before it in the file, so a corrected
    or longer file adds only its new rows. An undated event happens when it is imported, so equal rows of two files are
    two events: its key has the digest of the file and the line.
    """

    def __init__(self, file_digest: bytes) -> None:
        self._file = file_digest
        self._seen: set[int] = set()
        self._repeated: dict[int, int] = {}
        """Content → its number of earlier rows, of contents that occur more than once."""

    def key_of(self, event: AcceptedEvent, line: int) -> str:
        digest = _digest(event)
        if event.timestamp is None:
            # With the content, because the same file can be imported with other options.
            file_and_line = self._file + line.to_bytes(8)
            return f"line:{hashlib.sha256(file_and_line + digest).hexdigest()}"
        # A part of the digest counts the repeats: a file may have millions of rows.
        content = int.from_bytes(digest[:8])
        number = 0
        if content in self._seen:
            number = self._repeated[content] = self._repeated.get(content, 0) + 1
        self._seen.add(content)
        return f"row:{digest.hex()}/{number}"


def _digest(event: AcceptedEvent) -> bytes:
    """SHA-256 of what the event says, however its identifiers are spelled."""
    aliases = [(alias.kind, alias.value) for alias in event.aliases]
    content = (event.event_type, event.lead_id, aliases, event.timestamp, event.metadata)
    return hashlib.sha256(_encoder.encode(content)).digest()
