"""Turns the bytes of a CSV file into UTF-8: recognizes other kinds of files, byte order marks, UTF-16 and Ctrl-Z."""

import codecs
from typing import Final

MAX_SIGNATURE_BYTES: Final = 4
SIGNATURES: Final = {
    b"PK\x03\x04": "a spreadsheet or archive",
    b"PK\x05\x06": "an empty archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"\x1f\x8b": "compressed",
    b"7z\xbc\xaf": "an archive",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
}
"""The kinds of other files, by the signature that they start with."""
UTF_16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""The encoding by its byte order mark."""

CTRL_Z: Final = b"\x1a"
MAX_HELD_BYTES: Final = 1024
"""Ctrl-Z and the line breaks after it are held back up to this size, until it is clear that the file ends there."""
_NOT_UNICODE: Final = b"\xff"
"""Marks a line as malformed: no UTF-8 text contains this byte."""


class NotCsv(ValueError):
    """The file is of another kind; the text names the kind."""


def kind_of_file(start: bytes) -> str | None:
    """The kind of a file that is not a CSV, by its first bytes."""
    return next((kind for signature, kind in SIGNATURES.items() if start.startswith(signature)), None)


class CsvDecoder:
    """Decodes a file chunk by chunk. Raises NotCsv if it starts like another kind of file."""

    def __init__(self) -> None:
        self._start: bytes | None = b""
        """The first bytes, until they are enough to recognize the kind of file. None after that."""
        self._utf_16: codecs.IncrementalDecoder | None = None
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """The text that this chunk completes, in UTF-8."""
        if self._start is not None:
            self._start += chunk
            if len(self._start) < MAX_SIGNATURE_BYTES:
                return b""
            chunk = self._begin(self._start)
        return self._hold_end(self._decode(chunk))

    def finish(self) -> bytes:
        """The rest of the text, without a final Ctrl-Z."""
        rest = b"" if self._start is None else self._begin(self._start)
        text = self._held + self._decode(rest, final=True)
        before, mark, after = text.rpartition(CTRL_Z)
        return before if mark and not after.strip() else text

    def _begin(self, start: bytes) -> bytes:
        self._start = None
        if kind := kind_of_file(start):
            raise NotCsv(kind)
        for mark, encoding in UTF_16.items():
            if start.startswith(mark):
                self._utf_16 = codecs.getincrementaldecoder(encoding)("surrogatepass")
                return start.removeprefix(mark)
        return start.removeprefix(codecs.BOM_UTF8)

    def _decode(self, chunk: bytes, *, final: bool = False) -> bytes:
        if self._utf_16 is None:
            return chunk
        try:
            text = self._utf_16.decode(chunk, final)
        except UnicodeDecodeError:  # the file ends in the middle of a character
            return _NOT_UNICODE
        # A lone surrogate becomes bytes that aren't UTF-8, so that only its line is malformed.
        return text.encode("utf-8", "surrogatepass")

    def _hold_end(self, text: bytes) -> bytes:
        text = self._held + text
        at = text.rfind(CTRL_Z)
        if at < 0 or len(text) - at > MAX_HELD_BYTES or text[at + 1 :].strip():
            at = len(text)
        self._held = text[at:]
        return text[:at]
