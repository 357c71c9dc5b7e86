"""Reads request bodies in the operations below FastAPI, up to a limit."""

from collections.abc import Mapping
from typing import Final

from starlette.types import Receive

from leadvibe.core.http.problems import Invalid, TooLarge, UnsupportedMediaType

JSON_TYPES: Final = frozenset({b"application/json"})
EVENT_LIST_TYPES: Final = JSON_TYPES | {
    *(b"application/x-ndjson", b"application/ndjson"),
    *(b"application/jsonl", b"application/x-jsonlines", b"application/jsonlines"),
}

BOM: Final = b"\xef\xbb\xbf"
"""The byte order mark, which some programs write before UTF-8 text."""

RawHeaders = Mapping[bytes, bytes]


class IncompleteBody(Invalid):
    """The client disconnected, or the rest of the body can't be parsed."""


def check_type(headers: RawHeaders, accepted: frozenset[bytes]) -> None:
    """Raise `UnsupportedMediaType` unless the content type is one of these or missing."""
    sent = headers.get(b"content-type")
    if sent is None or sent in accepted:
        return
    if sent.partition(b";")[0].strip().lower() not in accepted:
        names = ", ".join(sorted(name.decode() for name in accepted))
        raise UnsupportedMediaType(f"Content-Type: must be {'one of ' if len(accepted) > 1 else ''}{names}")


async def read_body(headers: RawHeaders, receive: Receive, limit: int) -> bytes:
    """The whole body without its BOM.

    Raises `TooLarge` as soon as it is known to exceed `limit` bytes, without reading the rest.
    """
    declared = headers.get(b"content-length", b"")
    if declared.isdigit():
        _check_length(int(declared), limit)
    chunk, more = await next_chunk(receive)
    chunks, length = [chunk], len(chunk)
    while more and length <= limit:
        chunk, more = await next_chunk(receive)
        chunks.append(chunk)
        length += len(chunk)
    _check_length(length, limit)
    return b"".join(chunks).removeprefix(BOM)


def _check_length(length: int, limit: int) -> None:
    if length > limit:
        raise TooLarge(f"body: must be at most {limit:,} bytes", fields={"body": "is too large"})


async def next_chunk(receive: Receive) -> tuple[bytes, bool]:
    """The next chunk of the body, and whether more follow."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise IncompleteBody.field("body", "the connection was closed before the end of the body")
    return message.get("body", b""), message.get("more_body", False)
