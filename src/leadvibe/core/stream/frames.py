"""The frames of `/stream`: written in the transaction that causes them, read in commit order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

CHANNEL: Final = "leadvibe_frames"
"""Notified with an OU's id when frames of the OU are committed."""

PAGE_FRAMES: Final = 2_000
"""A page ends at the end of a transaction: it may exceed this number by one transaction's frames."""


class Frame(msgspec.Struct, array_like=True, frozen=True):
    """One server-sent event."""

    event: str
    data: bytes
    """A JSON object on one line."""


RESYNC: Final = Frame("resync", b'{"type":"resync"}')
"""Tells a client that it missed frames and must reload its data."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Frame])

# The head's row is locked until the commit, so an OU's frames are numbered in commit order. A reader that follows the
# numbers misses none.
_APPEND = """
WITH head AS (
  INSERT INTO stream_heads (unit_id, last_frame) VALUES ($1, $2)
  ON CONFLICT (unit_id) DO UPDATE SET last_frame = stream_heads.last_frame + $2
  RETURNING last_frame
), packed AS (
  INSERT INTO stream_frames (unit_id, last_frame, frames, body)
  SELECT $1, last_frame, $2, $3 FROM head
  RETURNING unit_id
)
SELECT pg_notify('leadvibe_frames', unit_id) FROM packed
"""


async def append(connection: asyncpg.Connection, unit_id: str, frames: Sequence[Frame]) -> None:
    """Publish an OU's frames when the transaction of `connection` commits; this should be its last statement.

    Other writers of the OU wait until the commit. Append to several OUs in the order of their ids, or two transactions
    may deadlock.
    """
    if frames:
        await connection.execute(_APPEND, unit_id, len(frames), _encoder.encode(frames))


@dataclass(frozen=True, slots=True)
class FramePage:
    """The frames after a number, and the number of the OU's last frame (`head`)."""

    start: int
    """The number of the first frame of the page."""
    frames: list[Frame]
    head: int

    @property
    def end(self) -> int:
        """The number of the page's last frame."""
        return self.start + len(self.frames) - 1

    def follows(self, after: int) -> bool:
        """Whether no frame is missing between the frame `after` and this page."""
        return self.start == after + 1 if self.frames else self.head == after


_READ = text("""
SELECT h.last_frame AS head, f.last_frame, f.frames, f.body
FROM stream_heads h
LEFT JOIN LATERAL (
  SELECT p.* FROM (
    SELECT s.last_frame, s.frames, s.body, sum(s.frames) OVER (ORDER BY s.last_frame) - s.frames AS before
    FROM (
      SELECT last_frame, frames, body FROM stream_frames
      WHERE unit_id = :unit_id AND last_frame > :after ORDER BY last_frame LIMIT 500
    ) s
  ) p WHERE p.before < :page_frames
) f ON true
WHERE h.unit_id = :unit_id
ORDER BY f.last_frame
""")


async def read(session: AsyncSession, unit_id: str, after: int) -> FramePage:
    """The next page of an OU's frames after a number; may be empty."""
    rows = (await session.execute(_READ, {"unit_id": unit_id, "after": after, "page_frames": PAGE_FRAMES})).all()
    if not rows or rows[0].body is None:
        return FramePage(after + 1, [], rows[0].head if rows else 0)
    start = rows[0].last_frame - rows[0].frames + 1
    frames = [frame for row in rows for frame in _decoder.decode(row.body)]
    skipped = max(0, after + 1 - start)
    return FramePage(start + skipped, frames[skipped:], rows[0].head)


async def head(session: AsyncSession, unit_id: str) -> int:
    """The number of an OU's last frame; 0 if there is none."""
    number = await session.scalar(
        text("SELECT last_frame FROM stream_heads WHERE unit_id = :unit_id"), {"unit_id": unit_id}
    )
    return number or 0


_FIND = text("""
SELECT last_frame, body FROM stream_frames
WHERE unit_id = :unit_id AND position(CAST(:mark AS bytea) IN body) > 0
""")
_REWRITE = text("UPDATE stream_frames SET body = :body WHERE unit_id = :unit_id AND last_frame = :last_frame")


async def redact_frames(session: AsyncSession, unit_id: str, mark: bytes) -> None:
    """Replace an OU's frames whose data contains these bytes with `RESYNC`."""
    for last_frame, body in (await session.execute(_FIND, {"unit_id": unit_id, "mark": mark})).all():
        frames = [RESYNC if mark in frame.data else frame for frame in _decoder.decode(body)]
        changed = {"unit_id": unit_id, "last_frame": last_frame, "body": _encoder.encode(frames)}
        await session.execute(_REWRITE, changed)


async def prune(session: AsyncSession, lifetime: timedelta) -> None:
    """Delete all frames that are older than `lifetime`."""
    await session.execute(
        text("DELETE FROM stream_frames WHERE created_at < now() - CAST(:lifetime AS interval)"), {"lifetime": lifetime}
    )
