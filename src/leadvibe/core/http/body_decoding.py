"""Decodes request bodies that are sent with `Content-Encoding: gzip`."""

import zlib
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadvibe.core.http.problems import UnsupportedMediaType, render
from leadvibe.core.http.request_body import IncompleteBody, next_chunk

GZIP: Final = frozenset({"gzip", "x-gzip"})
CHUNK_BYTES: Final = 64 * 1024
"""At most this much is decompressed at a time, so that a limit stops a small body that grows without end."""
_GZIP_FORMAT: Final = 16 + zlib.MAX_WBITS


class DecodeBodies:
    """Passes on decompressed bodies, so that every limit counts decompressed bytes. Answers 415 to other encodings."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = [value for name, value in scope["headers"] if name == b"content-encoding"]
        if sent and scope["method"] not in {"GET", "HEAD"}:
            encodings = _encodings(sent)
            if len(encodings) > 1 or not GZIP.issuperset(encodings):
                await render(_unsupported(encodings))(scope, receive, send)
                return
            if encodings:
                # The declared length is that of the compressed body.
                dropped = {b"content-encoding", b"content-length"}
                scope["headers"] = [header for header in scope["headers"] if header[0] not in dropped]
                receive = _GunzippedBody(receive).receive
        await self.app(scope, receive, send)


def _encodings(sent: list[bytes]) -> list[str]:
    """The names in the `Content-Encoding` headers, without `identity`, which changes nothing."""
    names = [name.strip().lower() for name in b",".join(sent).decode("latin-1").split(",")]
    return [name for name in names if name not in {"", "identity"}]


def _unsupported(encodings: list[str]) -> UnsupportedMediaType:
    named = ", ".join(encodings)
    return UnsupportedMediaType(
        f"Content-Encoding: must be gzip, or left out. It is {named}.", headers={"Accept-Encoding": "gzip"}
    )


class _GunzippedBody:
    """The decompressed body: one or more gzip members, one after the other."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._compressed = b""
        self._more = True
        self._member = zlib.decompressobj(_GZIP_FORMAT)
        self._between_members = True
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()  # Starlette waits here for the client to disconnect
        while True:
            while not self._compressed:
                if not self._more:
                    return self._end()
                self._compressed, self._more = await next_chunk(self._receive)
            if content := self._decompress():
                return {"type": "http.request", "body": content, "more_body": True}

    def _end(self) -> Message:
        if not self._between_members:
            raise IncompleteBody.field("body", "the gzip data ends too early")
        self._complete = True
        return {"type": "http.request", "body": b"", "more_body": False}

    def _decompress(self) -> bytes:
        if self._between_members:
            # Some programs fill the last block of a file with zeros.
            self._compressed = self._compressed.lstrip(b"\0")
            if not self._compressed:
                return b""
            self._member = zlib.decompressobj(_GZIP_FORMAT)
            self._between_members = False
        try:
            content = self._member.decompress(self._compressed, CHUNK_BYTES)
        except zlib.error:
            raise IncompleteBody.field("body", "isn't valid gzip data") from None
        self._between_members = self._member.eof
        self._compressed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return content
