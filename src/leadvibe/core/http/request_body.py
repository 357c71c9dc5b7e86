"""The bodies of the operations below FastAPI: read under a limit, or passed on piece by piece."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive

from leadvibe.core.http.problems import Invalid, TooLarge, UnsupportedMediaType

JSON_TYPES: Final = frozenset({b"application/json"})
EVENT_LIST_TYPES: Final = JSON_TYPES | {
    *(b"application/x-ndjson", b"application/ndjson"),
    *(b"application/jsonl", b"application/x-jsonlines", b"application/jsonlines"),
}

SURROUNDINGS: Final = 64 * 1024
"""Bytes of a form beside the file that is asked for."""

RawHeaders = Mapping[bytes, bytes]


class BrokenOff(Invalid):
    """The client went away, or what it sends stops making sense."""


def check_type(headers: RawHeaders, accepted: frozenset[bytes]) -> None:
    """Refuse another content type than these; one that says nothing is taken at its word."""
    sent = headers.get(b"content-type")
    if sent is None or sent in accepted:
        return
    if sent.partition(b";")[0].strip().lower() not in accepted:
        names = ", ".join(sorted(name.decode() for name in accepted))
        raise UnsupportedMediaType(f"Content-Type: this operation takes {names}.")


async def read_body(headers: RawHeaders, receive: Receive, limit: int) -> bytes:
    """The whole body; TooLarge as soon as it is known to be longer than `limit`, without reading the rest."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit():
        _check_length(int(declared), limit)
    piece, more = await _next_piece(receive)
    pieces, length = [piece], len(piece)
    while more and length <= limit:
        piece, more = await _next_piece(receive)
        pieces.append(piece)
        length += len(piece)
    _check_length(length, limit)
    return b"".join(pieces)


def _check_length(length: int, limit: int) -> None:
    if length > limit:
        raise TooLarge(f"body: must be at most {limit:,} bytes", fields={"body": "is too large"})


async def _next_piece(receive: Receive) -> tuple[bytes, bool]:
    """A piece of the body, and whether more follow."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise BrokenOff.field("body", "broke off")
    return message.get("body", b""), message.get("more_body", False)


@dataclass(frozen=True, slots=True)
class UploadedFile:
    name: str
    media_type: str
    """As the client calls it; empty where it doesn't."""
    content: bytes


async def read_upload(headers: RawHeaders, receive: Receive, field: str) -> AsyncGenerator[bytes]:
    """The file in one field of a multipart form, piece by piece as it arrives; other fields are passed over."""
    form = _expect_form(headers, field)
    more = True
    while more:
        piece, more = await _next_piece(receive)
        for content in form.feed(piece):
            yield content
    form.check_complete()


async def read_file(headers: RawHeaders, receive: Receive, field: str, limit: int) -> UploadedFile:
    """That file as a whole; TooLarge as soon as it is known to be longer than `limit`, without reading the rest."""
    form = _expect_form(headers, field)
    declared = headers.get(b"content-length", b"")
    length = int(declared) if declared.isdigit() else 0
    _check_file(max(0, length - SURROUNDINGS), field, limit)
    content, length, more = bytearray(), 0, True
    while more:
        piece, more = await _next_piece(receive)
        length += len(piece)
        for part in form.feed(piece):
            content += part
        _check_file(max(len(content), length - SURROUNDINGS), field, limit)
    form.check_complete()
    return UploadedFile(form.file_name, form.media_type, bytes(content))


def _check_file(length: int, field: str, limit: int) -> None:
    if length > limit:
        raise TooLarge(f"{field}: must be at most {limit:,} bytes", fields={field: "is too large"})


def _expect_form(headers: RawHeaders, field: str) -> "_Form":
    kind, options = parse_options_header(headers.get(b"content-type", b"").decode("latin-1"))
    if not kind:
        raise Invalid.field(field, "is required: a file in a multipart form")
    if kind != b"multipart/form-data":
        raise UnsupportedMediaType(f"Content-Type: this operation takes multipart/form-data with a field {field!r}.")
    if not options.get(b"boundary"):
        raise Invalid.field(field, "the multipart form doesn't say what its boundary is")
    return _Form(options[b"boundary"], field)


class _Form:
    """What a streaming parser calls back with, as the pieces of one field."""

    def __init__(self, boundary: bytes, field: str) -> None:
        self.file_name = ""
        self.media_type = ""
        self._field = field
        self._header = [bytearray(), bytearray()]
        self._headers: dict[bytes, bytes] = {}
        self._inside = False
        self._found = 0
        self._complete = False
        self._content: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_content,
                "on_part_data": self._take,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def feed(self, piece: bytes) -> list[bytes]:
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise BrokenOff.field(self._field, f"the multipart form is malformed: {error}") from None
        content, self._content = self._content, []
        return content

    def check_complete(self) -> None:
        if not self._complete:
            raise BrokenOff.field(self._field, "the multipart form ends without its last boundary")
        if not self._found:
            raise Invalid.field(self._field, "is required: a file in a multipart form")

    def _end_header(self) -> None:
        name, value = map(bytes, self._header)
        self._headers[name.lower()] = value
        self._header = [bytearray(), bytearray()]

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._inside = options.get(b"name") == self._field.encode()
        if self._inside:
            self.file_name = options.get(b"filename", b"").decode(errors="replace")
            self.media_type = parse_options_header(self._headers.get(b"content-type"))[0].decode("latin-1").lower()
        self._headers = {}
        self._found += self._inside
        if self._found > 1:
            raise BrokenOff.field(self._field, "was given twice")

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._content.append(data[start:end])

    def _end_part(self) -> None:
        self._inside = False

    def _end(self) -> None:
        self._complete = True
