"""The tables behind `/stream`: frames in commit order, kept for an hour."""

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Big, Blob, Instant, OfUnit


class StreamHead(Base, OfUnit):
    """The number of an OU's last frame. Writers lock the row until they commit, so numbers are in commit order."""

    __tablename__ = "stream_heads"

    last_frame: Mapped[Big] = mapped_column(server_default=text("0"))


class StreamFrames(Base, OfUnit):
    """The frames of one transaction, packed: numbers `last_frame - frames + 1` to `last_frame`."""

    __tablename__ = "stream_frames"
    __table_args__ = (Index("ix_stream_frames_created", "created_at"),)

    last_frame: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    frames: Mapped[int]
    body: Mapped[Blob]
    created_at: Mapped[Instant] = mapped_column(server_default=text("now()"))
