"""The tables of the ledger, its running totals, surge events, and the facts that users add: adjustments, resets."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Identity, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Big, Id, Instant, Json, Tenant

CURRENT_WITHOUT_EVENT = text("superseded_at IS NULL AND kind <> 'event'")
"""The current entries that no event caused. They are few beside the others, and so are their indexes."""


class ScoreEntry(Base, Tenant):
    """One line of the ledger: how one fact or decay step changed one lead's total in one ruleset.

    Entries are never edited. If a replay gives another result, it supersedes the entry and writes a new one. No foreign
    key refers to a rule, so that awards stay readable after their rule is deleted.
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
        Index(
            "ix_score_entries_no_events", "unit_id", "lead_id", "occurred_at", postgresql_where=CURRENT_WITHOUT_EVENT
        ),
        Index(
            "ix_score_entries_step_id",
            "unit_id",
            text("step_id(lead_id, subject_id, occurred_at)"),
            postgresql_where=CURRENT_WITHOUT_EVENT,
        ),
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ruleset_id: Mapped[Id]
    occurred_at: Mapped[Instant]
    kind: Mapped[Id]
    """event, decay, adjustment, reset, or lift (negative totals set to zero)."""
    event_id: Mapped[UUID | None]
    subject_id: Mapped[str | None]
    """The adjustment, reset or decay rule that caused the entry; None if an event did."""
    config_version: Mapped[int | None]
    awards: Mapped[Json]
    """`[[rule_id, weight], …]`: the rules that paid, each with its weight at that time."""
    base: Mapped[Big]
    multiplier: Mapped[int] = mapped_column(SmallInteger)
    """Thousandths: 1250 multiplies by 1.25."""
    points: Mapped[Big]
    applied: Mapped[Big]
    """The change of the total: `points`, limited by the floor."""
    recorded_at: Mapped[Instant]
    superseded_at: Mapped[Instant | None]


class LeadScore(Base, Tenant):
    """A lead's total in one ruleset: always the sum of `applied` over its current entries."""

    __tablename__ = "lead_scores"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    ruleset_id: Mapped[Id] = mapped_column(primary_key=True)
    score: Mapped[Big] = mapped_column(server_default=text("0"))
    updated_at: Mapped[Instant] = mapped_column(server_default=text("now()"))


class SurgeEvent(Base, Tenant):
    """The record that an event raised the multiplier of its lead's surge. A replay replaces those that differ."""

    __tablename__ = "surge_events"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[Instant]
    channel: Mapped[str | None]
    started_at: Mapped[Instant]
    """The first event of the surge."""
    surge_count: Mapped[Big]
    multiplier: Mapped[int] = mapped_column(SmallInteger)
    """Thousandths: 1250 multiplies by 1.25."""


class ScoreAdjustment(Base, Tenant):
    """A fact: points that a user added or removed."""

    __tablename__ = "score_adjustments"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
        Index("ix_score_adjustments_id", "unit_id", "adjustment_id"),
        Index("ix_score_adjustments_newest", "unit_id", "lead_id", "adjusted_at"),
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
    """A fact: a user set the lead's totals to zero. It is recorded even if they were zero already."""

    __tablename__ = "score_resets"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    reset_id: Mapped[UUID] = mapped_column(primary_key=True)
    reset_at: Mapped[Instant]
    reset_by: Mapped[str]
    in_origins: Mapped[bool] = mapped_column(server_default=text("false"))
    """True for a reset of a lead before that lead was merged into this one.

    It isn't a fact of the merged lead: the lead's origins tell which events it excludes.
    """
