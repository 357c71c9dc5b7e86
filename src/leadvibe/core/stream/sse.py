"""Renders frames as server-sent events."""

from collections.abc import Iterator, Sequence
from typing import Final

from leadvibe.core.stream.frames import RESYNC, Frame, FramePage

BLOCK_BYTES: Final = 64 * 1024


class Block:
    """Consecutive frames of an OU, rendered once for all followers.

    A block without frames is a comment that keeps the connection alive.
    """

    def __init__(self, start: int, frames: Sequence[Frame]) -> None:
        self.start = start
        self.frames = frames
        self.size = sum(len(frame.data) for frame in frames)
        self._texts: dict[bool, bytes] = {}

    @property
    def end(self) -> int:
        """The number of the last frame."""
        return self.start + len(self.frames) - 1

    def after(self, number: int) -> "Block":
        """The part of the block after this number."""
        skipped = max(0, number + 1 - self.start)
        return Block(self.start + skipped, self.frames[skipped:]) if skipped else self

    def text(self, *, named: bool) -> bytes:
        """The events; a browser passes unnamed ones to `onmessage`."""
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


def keep_alive(position: int) -> Block:
    return Block(position + 1, [])


def resync(position: int) -> Block:
    """Tells a client that it missed frames up to this position and must reload its data."""
    return Block(position, [RESYNC])


def blocks_of(page: FramePage) -> Iterator[Block]:
    """Split a page into blocks of about `BLOCK_BYTES`."""
    start, frames, size = page.start, list[Frame](), 0
    for frame in page.frames:
        frames.append(frame)
        size += len(frame.data)
        if size >= BLOCK_BYTES:
            yield Block(start, frames)
            start, frames, size = start + len(frames), [], 0
    if frames:
        yield Block(start, frames)
