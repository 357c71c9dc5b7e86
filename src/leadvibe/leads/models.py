"""Leads and the aliases that name them."""

from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.models import Base, Big, Blob, Id, Instant, Json, OfUnit, Tenant, Timestamps

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


class Alias(Base, Tenant):
    """A name by which a lead is recognised: attached once, never taken away."""

    __tablename__ = "aliases"
    __table_args__ = (
        ForeignKeyConstraint(
            ["unit_id", "lead_id"],
            ["leads.unit_id", "leads.lead_id"],
            ondelete="CASCADE",
            # Aliases are locked before leads, so an alias is written before the lead that it names.
            deferrable=True,
            initially="DEFERRED",
        ),
        # With what a search reads of its sample, which is then in a few pages of the index.
        Index("ix_aliases_sample", "unit_id", "alias_id", unique=True, postgresql_include=["value", "lead_id"]),
        Index("ix_aliases_lead", "unit_id", "lead_id"),
        Index("ix_aliases_prefix", "unit_id", text("lower(value)"), "lead_id"),
        Index("ix_aliases_trigrams", text("trigram_keys(unit_id, lower(value))"), postgresql_using="gin"),
    )

    kind: Mapped[Id] = mapped_column(primary_key=True)
    value: Mapped[Id] = mapped_column(primary_key=True)
    """Normalised: what is compared."""
    raw_value: Mapped[str]
    alias_id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    lead_id: Mapped[Id]
    original_lead_id: Mapped[str | None]
    """Whom it named before a merge."""
    created_at: Mapped[Instant] = mapped_column(server_default=text("now()"))


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


class Tombstone(Base, OfUnit):
    """What is left of a deleted lead: digests of its id and aliases, so that what was received before stays deleted."""

    __tablename__ = "tombstones"

    digest: Mapped[Blob] = mapped_column(primary_key=True)
    """SHA-256 of `lead:` and the id, or of an alias's kind, `:` and value."""
    status: Mapped[str]
    """queued, running, completed or failed."""
    deleted_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
