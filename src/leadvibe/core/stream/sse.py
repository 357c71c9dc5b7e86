"""Frames as the text of server-sent events."""

from collections.abc import Iterator, Sequence
from typing import Final

from leadvibe.core.stream.frames import RESYNC, Frame, FramePage

BLOCK_BYTES: Final = 64 * 1024


class Block:
    """Some consecutive frames of an OU, rendered once for all who follow it.

    Without frames it is a comment, which says no more than that the server is still there.
    """

    def __init__(self, start: int, frames: Sequence[Frame]) -> None:
        self.start = start
        self.frames = frames
        self.size = sum(len(frame.data) for frame in frames)
        self._texts: dict[bool, bytes] = {}

    @property
    def end(self) -> int:
        """The number of its last frame."""
        return self.start + len(self.frames) - 1

    def after(self, number: int) -> "Block":
        """What of it comes after this number."""
        skipped = max(0, number + 1 - self.start)
        return Block(self.start + skipped, self.frames[skipped:]) if skipped else self

    def text(self, *, named: bool) -> bytes:
        """Its events; without names a browser hands them to `onmessage`."""
        if not self.frames:
            return b": alive\n\n"
        if named not in self._texts:
            self._texts[named] = b"".join(
                _event(frame, number, named=named) for number, frame in enumerate(self.frames, self.start)
            )
        return self._texts[named]


def _event(frame: Frame, number: int, *, named: bool) -> bytes:
    name = b"event: %b\n" % frame.event.encode() if named else b""
    return b"%bid: %d\ndata: %b\n\n" % (name, number, frame.data)


def alive(position: int) -> Block:
    return Block(position + 1, [])


def resync(position: int) -> Block:
    """Tells a client that it misses frames up to this position and has to read anew what it shows."""
    return Block(position, [RESYNC])


def blocks_of(page: FramePage) -> Iterator[Block]:
    """The page in pieces of a size to be sent at once."""
    start, piece, size = page.start, list[Frame](), 0
    for frame in page.frames:
        piece.append(frame)
        size += len(frame.data)
        if size >= BLOCK_BYTES:
            yield Block(start, piece)
            start, piece, size = start + len(piece), [], 0
    if piece:
        yield Block(start, piece)
