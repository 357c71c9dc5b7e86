"""The tables that identify leads and repeated events: aliases, tombstones, idempotency keys."""

from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Blob, Id, Instant, OfUnit, Tenant


class IdempotencyKey(Base, OfUnit):
    """A used key. It stays when its event is deleted, and is deleted with its lead."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("ix_idempotency_keys_lead", "unit_id", "lead_id"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    key: Mapped[Id] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    lead_id: Mapped[Id | None]


class Alias(Base, Tenant):
    """An identifier of a lead. Once attached, it is never detached."""

    __tablename__ = "aliases"
    __table_args__ = (
        ForeignKeyConstraint(
            ["unit_id", "lead_id"],
            ["leads.unit_id", "leads.lead_id"],
            ondelete="CASCADE",
            # Aliases are locked before leads, so an alias is written before its lead.
            deferrable=True,
            initially="DEFERRED",
        ),
        # With the columns that a search reads from its sample, so that an index-only scan returns them.
        Index(
            "ix_aliases_sample",
            "unit_id",
            "alias_id",
            unique=True,
            postgresql_include=["kind", "value", "folded_value", "lead_id"],
        ),
        # In the order of a lead's list of aliases, and of the aliases that lists of leads show.
        Index("ix_aliases_of_lead", "unit_id", "lead_id", "kind", "created_at", "value"),
        Index("ix_aliases_prefix", "unit_id", text("COALESCE(folded_value, lower(value))"), "lead_id"),
        Index(
            "ix_aliases_trigrams",
            text("trigram_keys(unit_id, COALESCE(folded_value, lower(value)))"),
            postgresql_using="gin",
        ),
    )

    kind: Mapped[Id] = mapped_column(primary_key=True)
    value: Mapped[Id] = mapped_column(primary_key=True)
    """The normalized form, used for comparison."""
    folded_value: Mapped[Id | None]
    """The value for searches, if it is not ASCII; see `fold_case_unless_ascii`."""
    raw_value: Mapped[str]
    alias_id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    lead_id: Mapped[Id]
    original_lead_id: Mapped[str | None]
    """The lead that it belonged to before a merge."""
    created_at: Mapped[Instant] = mapped_column(server_default=text("now()"))


class Tombstone(Base, OfUnit):
    """A digest of a deleted lead's id or alias, so that events received before the deletion stay deleted."""

    __tablename__ = "tombstones"

    digest: Mapped[Blob] = mapped_column(primary_key=True)
    """SHA-256 of `lead:` and the lead id, or of an alias as `kind:value`."""
    status: Mapped[str]
    """queued, running, completed or failed."""
    deleted_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
