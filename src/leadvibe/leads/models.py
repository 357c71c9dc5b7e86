"""Leads and the aliases that name them."""

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Big, Blob, Id, Instant, Json, OfUnit, Tenant, Timestamps

SEEN = text("coalesce(last_event_at, '-infinity'::timestamptz)")
LISTED = text("merged_into IS NULL")
"""Leads that lists and search show."""


class Lead(Base, OfUnit, Timestamps):
    __tablename__ = "leads"
    __table_args__ = (
        Index("ix_leads_created", "unit_id", "created_at", "lead_id"),
        Index("ix_leads_ranking", "unit_id", "score", SEEN, "lead_id", postgresql_where=LISTED),
        Index("ix_leads_id_prefix", "unit_id", text("lower(lead_id)"), "lead_id", postgresql_where=LISTED),
        Index("ix_leads_next_decay", "next_decay_at", postgresql_where=text("next_decay_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    # `metadata` is a name that declarative classes reserve.
    attributes: Mapped[Json] = mapped_column("metadata", server_default=text("'{}'::jsonb"))
    account_id: Mapped[str | None]
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("members.org_member_id", ondelete="SET NULL"))
    merged_into: Mapped[str | None]
    last_event_at: Mapped[Instant | None]
    last_event_type: Mapped[str | None]
    score: Mapped[Big] = mapped_column(server_default=text("0"))
    """The primary ruleset's total, for lists to sort and narrow by."""
    score_reset_at: Mapped[Instant | None]
    stamped_version: Mapped[int | None]
    """The configuration version of its last rescore: its events are judged by that, or by a later one of their own."""
    standing: Mapped[Blob | None]
    """The engine's memory of this lead, packed; None before the first fact."""
    next_decay_at: Mapped[Instant | None]
    ledger_at: Mapped[Instant | None]
    """When its ledger was last written: the next writing is later, so that belief never overlaps itself."""


class TimelineEntry(Base, Tenant):
    """Something a lead's timeline shows that is no event: a reset, a merge, an alias that two leads claim."""

    __tablename__ = "timeline_entries"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    kind: Mapped[Id] = mapped_column(primary_key=True)
    """alias_conflict, score_reset or lead_merged."""
    subject: Mapped[Id] = mapped_column(primary_key=True)
    """What it is about; the same thing is noted once."""
    occurred_at: Mapped[Instant]
    data: Mapped[Json]


class LeadOrigin(Base, Tenant):
    """A lead that went into a merged one, the survivor itself included, and up to when its own resets took facts in."""

    __tablename__ = "lead_origins"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    original_lead_id: Mapped[Id] = mapped_column(primary_key=True)
    taken_in_until: Mapped[Instant | None]
