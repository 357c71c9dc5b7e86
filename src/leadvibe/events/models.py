"""The tables of processed events, failed events and event types."""

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Integer, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Blob, Id, Instant, Json, OfUnit, Tenant


class Event(Base, Tenant):
    """A processed event. The table is the event log."""

    __tablename__ = "events"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
        Index("ix_events_lead", "unit_id", "lead_id", "occurred_at", "event_id"),
        Index("ix_events_newest", "unit_id", "occurred_at", "event_id"),
        Index("ix_events_keys", text("event_keys(unit_id, event_type, channel, metadata)"), postgresql_using="gin"),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    lead_id: Mapped[Id]
    event_type: Mapped[Id]
    occurred_at: Mapped[Instant]
    sent_at: Mapped[Instant | None]
    """The timestamp as sent, if it was later than the receipt, so that `occurred_at` was set to `received_at`."""
    received_at: Mapped[Instant]
    scored_at: Mapped[Instant]
    channel: Mapped[str | None]
    # SQLAlchemy reserves the attribute name `metadata`.
    attributes: Mapped[Json] = mapped_column("metadata")
    digest: Mapped[Blob]
    """SHA-256 of the canonical JSON of the metadata. It orders events of the same instant and type."""
    idempotency_key: Mapped[str | None]
    config_version: Mapped[int] = mapped_column(Integer)
    suppression_reason: Mapped[str | None]
    session_id: Mapped[UUID | None]
    original_lead_id: Mapped[str | None]


class FailedEvent(Base, OfUnit):
    """An event that could not be processed, with its error. It can be retried."""

    __tablename__ = "failed_events"
    __table_args__ = (Index("ix_failed_events_newest", "unit_id", "failed_at"),)

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    route: Mapped[int] = mapped_column(SmallInteger)
    received_at: Mapped[Instant]
    failed_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
    error: Mapped[str]
    body: Mapped[Blob]


class EventType(Base, OfUnit):
    """An event type that the OU has received or that a rule uses."""

    __tablename__ = "event_types"

    event_type: Mapped[Id] = mapped_column(primary_key=True)
    hidden: Mapped[bool] = mapped_column(server_default=text("false"))
    max_processing_scope: Mapped[str] = mapped_column(server_default=text("'activate'"))
    first_seen_at: Mapped[Instant] = mapped_column(server_default=text("now()"))
