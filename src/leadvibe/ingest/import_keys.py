"""Makes the idempotency keys of an imported file's rows, the same for uploads and for the shell."""

import sqlite3
from hashlib import sha256
from typing import Final

import msgspec

from leadvibe.ingest.inbox import AcceptedEvent

DIGEST_BYTES: Final = 16
COUNT: Final = """
INSERT INTO rows (digest) VALUES (?) ON CONFLICT DO UPDATE SET occurrences = occurrences + 1 RETURNING occurrences
"""

_encoder = msgspec.msgpack.Encoder()


class ImportKeys:
    """The keys of one file's rows.

    The key of a row with a timestamp depends on its content and on how often that content occurred before in the file.
    So a row keeps its key when other rows are corrected, added, removed or moved. A row without a timestamp may repeat
    an earlier one on purpose, so its key is the file's digest and the row's position.
    """

    def __init__(self, file_digest: str) -> None:
        """`file_digest` is the SHA-256 of the uncompressed file, in hexadecimal."""
        self._file_digest = file_digest
        # A temporary database on disk, so that a long file doesn't fill the memory.
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute("CREATE TABLE rows (digest BLOB PRIMARY KEY, occurrences INT DEFAULT 1) WITHOUT ROWID")

    def key(self, event: AcceptedEvent, position: int) -> str:
        """The key of the row at this position among the rows after the header, from 0."""
        if event.timestamp is None:
            return f"{self._file_digest}/{position}"
        digest = content_digest(event)
        (occurrences,) = self._rows.execute(COUNT, [digest]).fetchone()
        return f"row/{digest.hex()}/{occurrences}"

    def close(self) -> None:
        self._rows.close()


def content_digest(event: AcceptedEvent) -> bytes:
    """A digest of what the event says. The spelling of aliases, the order of columns and the delimiter don't matter."""
    aliases = sorted((alias.kind, alias.value) for alias in event.aliases)
    content = event.event_type, event.lead_id, aliases, event.timestamp, event.metadata
    return sha256(_encoder.encode(content)).digest()[:DIGEST_BYTES]
