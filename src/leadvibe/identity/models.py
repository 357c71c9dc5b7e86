"""What identifies a lead or a repeated event: aliases, tombstones, idempotency keys."""

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Blob, Id, Instant, OfUnit, Tenant


class IdempotencyKey(Base, OfUnit):
    """A key that was used: it outlives its event and goes with its lead."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("ix_idempotency_keys_lead", "unit_id", "lead_id"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    key: Mapped[Id] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    lead_id: Mapped[Id | None]


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


class Tombstone(Base, OfUnit):
    """What is left of a deleted lead: digests of its id and aliases, so that what was received before stays deleted."""

    __tablename__ = "tombstones"

    digest: Mapped[Blob] = mapped_column(primary_key=True)
    """SHA-256 of `lead:` and the id, or of an alias's kind, `:` and value."""
    status: Mapped[str]
    """queued, running, completed or failed."""
    deleted_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
