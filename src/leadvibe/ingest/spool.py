"""Stores an upload in a temporary file until it is complete, so that an upload that breaks off changes nothing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import Final

from leadvibe.core.http.problems import TooLarge

MAX_BYTES_IN_MEMORY: Final = 1024 * 1024
"""A larger upload is written to a file on disk."""
CHUNK_BYTES: Final = 256 * 1024


class Spooled:
    """A complete upload."""

    def __init__(self, file: SpooledTemporaryFile[bytes], digest: bytes) -> None:
        self._file = file
        self.digest = digest
        """SHA-256 of the content."""

    async def chunks(self) -> AsyncGenerator[bytes]:
        self._file.seek(0)
        while chunk := await asyncio.to_thread(self._file.read, CHUNK_BYTES):
            yield chunk


@asynccontextmanager
async def spooled(chunks: AsyncIterable[bytes], limit: int) -> AsyncGenerator[Spooled]:
    """Read an upload to its end. Raises TooLarge as soon as it exceeds `limit` bytes."""
    digest, length = sha256(), 0
    with SpooledTemporaryFile[bytes](max_size=MAX_BYTES_IN_MEMORY) as file:
        waiting = bytearray()
        async for chunk in chunks:
            length += len(chunk)
            if length > limit:
                raise TooLarge(f"file: must be at most {limit:,} bytes", fields={"file": "is too large"})
            waiting += chunk
            if len(waiting) >= CHUNK_BYTES:
                await asyncio.to_thread(_write, file, digest.update, waiting)
                waiting = bytearray()
        _write(file, digest.update, waiting)
        yield Spooled(file, digest.digest())


def _write(file: SpooledTemporaryFile[bytes], update_digest: Callable[[bytearray], None], content: bytearray) -> None:
    update_digest(content)
    file.write(content)
