"""The ledger, and the running totals that lists and sorting use."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Identity, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Big, Id, Instant, Json, Tenant


class ScoreEntry(Base, Tenant):
    """One line of the ledger: what one fact or decay step did to one lead's total in one ruleset.

    Written once. A replay that decides otherwise supersedes it and writes another; nothing in it refers to a rule, so
    deleting one leaves its awards readable.
    """

    __tablename__ = "score_entries"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
        Index(
            "ix_score_entries_current",
            "unit_id",
            "lead_id",
            "ruleset_id",
            "occurred_at",
            postgresql_include=["applied"],
            postgresql_where=text("superseded_at IS NULL"),
        ),
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ruleset_id: Mapped[Id]
    occurred_at: Mapped[Instant]
    kind: Mapped[Id]
    """event, decay, adjustment, reset or lift (of negatives)."""
    event_id: Mapped[UUID | None]
    subject_id: Mapped[str | None]
    """Without an event: the adjustment, reset or decay rule behind it."""
    config_version: Mapped[int | None]
    awards: Mapped[Json]
    """`[[rule_id, weight], …]`: which rules paid, at the weight they had."""
    base: Mapped[Big]
    multiplier: Mapped[int] = mapped_column(SmallInteger)
    """Thousandths: 1250 multiplies by 1.25."""
    points: Mapped[Big]
    applied: Mapped[Big]
    """What the total really moved by: points, less what the floor gave back."""
    recorded_at: Mapped[Instant]
    superseded_at: Mapped[Instant | None]


class LeadScore(Base, Tenant):
    """A lead's total in one ruleset: always the sum of its current entries' applied amounts."""

    __tablename__ = "lead_scores"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    ruleset_id: Mapped[Id] = mapped_column(primary_key=True)
    score: Mapped[Big] = mapped_column(server_default=text("0"))
    updated_at: Mapped[Instant] = mapped_column(server_default=text("now()"))


class ScoreAdjustment(Base, Tenant):
    """Points given or taken by hand: a fact."""

    __tablename__ = "score_adjustments"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    adjustment_id: Mapped[UUID] = mapped_column(primary_key=True)
    ruleset_id: Mapped[Id]
    points: Mapped[Big]
    reason: Mapped[str | None]
    adjusted_at: Mapped[Instant]
    adjusted_by: Mapped[str]
    original_lead_id: Mapped[str | None]


class ScoreReset(Base, Tenant):
    """The instant at which a lead's totals became zero: a fact, recorded even when they were zero already."""

    __tablename__ = "score_resets"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    reset_id: Mapped[UUID] = mapped_column(primary_key=True)
    reset_at: Mapped[Instant]
    reset_by: Mapped[str]
    in_origins: Mapped[bool] = mapped_column(server_default=text("false"))
    """Made before a merge: what it took in is kept with the lead's origins, and it is no fact of the merged lead."""
