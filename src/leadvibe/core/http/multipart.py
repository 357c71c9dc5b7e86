"""Reads an uploaded file from a multipart form, as a stream or as a whole."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Receive

from leadvibe.core.http.problems import Invalid, TooLarge, UnsupportedMediaType
from leadvibe.core.http.request_body import IncompleteBody, RawHeaders, next_chunk

MAX_FORM_OVERHEAD_BYTES: Final = 64 * 1024
"""How much larger than its file a form may be: other fields, headers and boundaries."""

MAX_BOUNDARY_BYTES: Final = 256
"""RFC 2046 allows 70; some programs send more."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    name: str
    media_type: str
    """As sent by the client; empty if it sent none."""
    content: bytes


async def stream_file(headers: RawHeaders, receive: Receive, field: str) -> AsyncGenerator[bytes]:
    """The file in this field of the form, in chunks as they arrive; other fields are ignored."""
    form = _open_form(headers, field)
    more = True
    while more:
        chunk, more = await next_chunk(receive)
        for content in form.feed(chunk):
            yield content
    form.check_complete()


async def read_file(headers: RawHeaders, receive: Receive, field: str, limit: int) -> UploadedFile:
    """The whole file; `TooLarge` as soon as it is known to exceed `limit` bytes, without reading the rest."""
    form = _open_form(headers, field)
    declared = headers.get(b"content-length", b"")
    length = int(declared) if declared.isdigit() else 0
    _check_file(max(0, length - MAX_FORM_OVERHEAD_BYTES), field, limit)
    content, length, more = bytearray(), 0, True
    while more:
        chunk, more = await next_chunk(receive)
        length += len(chunk)
        for part in form.feed(chunk):
            content += part
        _check_file(max(len(content), length - MAX_FORM_OVERHEAD_BYTES), field, limit)
    form.check_complete()
    return UploadedFile(form.file_name, form.media_type, bytes(content))


def _check_file(length: int, field: str, limit: int) -> None:
    if length > limit:
        raise TooLarge(f"{field}: must be at most {limit:,} bytes", fields={field: "is too large"})


def _open_form(headers: RawHeaders, field: str) -> "_Form":
    media_type, options = parse_options_header(headers.get(b"content-type", b"").decode("latin-1"))
    if not media_type:
        raise Invalid.field(field, "is required: send a file in a multipart form")
    if media_type != b"multipart/form-data":
        raise UnsupportedMediaType(f"Content-Type: must be multipart/form-data, with the file in the field {field!r}")
    if not 0 < len(options.get(b"boundary", b"")) <= MAX_BOUNDARY_BYTES:
        raise Invalid.field(
            field, f"the Content-Type of the multipart form must have a boundary of at most {MAX_BOUNDARY_BYTES} bytes"
        )
    return _Form(options[b"boundary"], field)


class _Form:
    """Extracts the content of one field from the callbacks of a streaming parser."""

    def __init__(self, boundary: bytes, field: str) -> None:
        self.file_name = ""
        self.media_type = ""
        self._field = field
        self._header = [bytearray(), bytearray()]
        self._headers: dict[bytes, bytes] = {}
        self._in_field = False
        self._occurrences = 0
        self._complete = False
        self._content: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_part,
                "on_part_data": self._add_content,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> list[bytes]:
        """Parse a chunk of the body, and return the content of the field in it."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise IncompleteBody.field(self._field, f"the multipart form is malformed: {error}") from None
        content, self._content = self._content, []
        return content

    def check_complete(self) -> None:
        if not self._complete:
            raise IncompleteBody.field(self._field, "the multipart form ends without its closing boundary")
        if not self._occurrences:
            raise Invalid.field(self._field, "is required: send a file in a multipart form")

    def _end_header(self) -> None:
        name, value = map(bytes, self._header)
        self._headers[name.lower()] = value
        self._header = [bytearray(), bytearray()]

    def _begin_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._in_field = options.get(b"name") == self._field.encode()
        if self._in_field:
            self.file_name = options.get(b"filename", b"").decode(errors="replace")
            self.media_type = parse_options_header(self._headers.get(b"content-type"))[0].decode("latin-1").lower()
        self._headers = {}
        self._occurrences += self._in_field
        if self._occurrences > 1:
            raise IncompleteBody.field(self._field, "must be sent only once")

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        if self._in_field:
            self._content.append(data[start:end])

    def _end_part(self) -> None:
        self._in_field = False

    def _end(self) -> None:
        self._complete = True
