"""The tables of accepted events that are not processed yet, and of requests with an idempotency key."""

from uuid import UUID

from sqlalchemy import Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Blob, Id, Instant, OfUnit


class InboxEvent(Base):
    """An accepted event that is not processed yet. Processing it deletes the row."""

    __tablename__ = "inbox"
    # The route comes first in the key because workers claim by route, across OUs.
    __table_args__ = (
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": "0",
                "autovacuum_vacuum_threshold": "20000",
                "autovacuum_vacuum_cost_delay": "0",
            }
        },
    )

    route: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[Id]
    received_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
    body: Mapped[Blob]


class IngestRequestRow(Base, OfUnit):
    """A batch or an import with an idempotency key, and its answer."""

    __tablename__ = "ingest_requests"
    __table_args__ = (Index("ix_ingest_requests_answered", "created_at", postgresql_where=text("answer IS NOT NULL")),)

    key: Mapped[Id] = mapped_column(primary_key=True)
    digest: Mapped[Blob]
    """SHA-256 of the body; for an import, of the file and the options."""
    status: Mapped[int | None] = mapped_column(SmallInteger)
    """The HTTP status of the answer. None until the last rows are stored, and again when the answer is old."""
    answer: Mapped[Blob | None]
    created_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
