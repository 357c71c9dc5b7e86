"""What was accepted and waits, what was processed, what failed."""

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Integer, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Blob, Id, Instant, Json, OfUnit, Tenant


class Event(Base, Tenant):
    """An event that was processed: the log, one row each."""

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
    """What the client sent, where that was later than the receipt and `occurred_at` was clamped to it."""
    received_at: Mapped[Instant]
    scored_at: Mapped[Instant]
    channel: Mapped[str | None]
    # `metadata` is a name that declarative classes reserve.
    attributes: Mapped[Json] = mapped_column("metadata")
    digest: Mapped[Blob]
    """SHA-256 of the metadata's canonical JSON: breaks ties in the canonical order."""
    idempotency_key: Mapped[str | None]
    config_version: Mapped[int] = mapped_column(Integer)
    suppression_reason: Mapped[str | None]
    session_id: Mapped[UUID | None]
    original_lead_id: Mapped[str | None]


class FailedEvent(Base, OfUnit):
    """An event that could not be processed: kept with its error until somebody retries it."""

    __tablename__ = "failed_events"
    __table_args__ = (Index("ix_failed_events_newest", "unit_id", "failed_at"),)

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    route: Mapped[int] = mapped_column(SmallInteger)
    received_at: Mapped[Instant]
    failed_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
    error: Mapped[str]
    body: Mapped[Blob]


class EventType(Base, OfUnit):
    """A type of event the OU has seen or named in a rule."""

    __tablename__ = "event_types"

    event_type: Mapped[Id] = mapped_column(primary_key=True)
    hidden: Mapped[bool] = mapped_column(server_default=text("false"))
    max_processing_scope: Mapped[str] = mapped_column(server_default=text("'activate'"))
    first_seen_at: Mapped[Instant] = mapped_column(server_default=text("now()"))
