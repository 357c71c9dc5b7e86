"""The tables of leads, their timeline entries and their merge origins."""

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Big, Blob, Id, Instant, Json, OfUnit, Tenant, Timestamps
from leadvibe.identity.case_folding import fold_case_unless_ascii

LAST_ACTIVE = text("coalesce(last_event_at, '-infinity'::timestamptz)")
FOLDED_ID = text("COALESCE(folded_id, lower(lead_id))")
NOT_MERGED = text("merged_into IS NULL")
"""The leads that lists and search show."""


def _folded_id(context: DefaultExecutionContext) -> str | None:
    return fold_case_unless_ascii(context.get_current_parameters()["lead_id"])


class Lead(Base, OfUnit, Timestamps):
    __tablename__ = "leads"
    __table_args__ = (
        Index("ix_leads_created", "unit_id", "created_at", "lead_id"),
        Index("ix_leads_ranking", "unit_id", "score", LAST_ACTIVE, "lead_id", postgresql_where=NOT_MERGED),
        Index("ix_leads_id_prefix", "unit_id", FOLDED_ID, "lead_id", postgresql_where=NOT_MERGED),
        Index(
            "ix_leads_merged_id_prefix",
            "unit_id",
            FOLDED_ID,
            "lead_id",
            postgresql_include=["merged_into"],
            postgresql_where=text("merged_into IS NOT NULL"),
        ),
        Index("ix_leads_next_decay", "next_decay_at", postgresql_where=text("next_decay_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    folded_id: Mapped[Id | None] = mapped_column(default=_folded_id)
    """The id for searches, if it is not ASCII; see `fold_case_unless_ascii`."""
    # `metadata` is a name that declarative classes reserve.
    attributes: Mapped[Json] = mapped_column("metadata", server_default=text("'{}'::jsonb"))
    account_id: Mapped[str | None]
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("members.org_member_id", ondelete="SET NULL"))
    merged_into: Mapped[str | None]
    last_event_at: Mapped[Instant | None]
    last_event_type: Mapped[str | None]
    score: Mapped[Big] = mapped_column(server_default=text("0"))
    """The primary ruleset's total, by which lists are sorted and filtered."""
    score_reset_at: Mapped[Instant | None]
    stamped_version: Mapped[int | None]
    """The configuration version of the last rescore: an event is scored by this version, or by its own if later."""
    standing: Mapped[Blob | None]
    """The engine's packed state of this lead; None before the first fact."""
    next_decay_at: Mapped[Instant | None]
    ledger_at: Mapped[Instant | None]
    """When the ledger was last written. The next write is later, so that recorded intervals never overlap."""


class TimelineEntry(Base, Tenant):
    """A timeline entry that is not an event: a reset, a merge, or an alias that two leads claim."""

    __tablename__ = "timeline_entries"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
        Index("ix_timeline_entries_row_id", "unit_id", text("timeline_id(lead_id, kind, subject)")),
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    kind: Mapped[Id] = mapped_column(primary_key=True)
    """alias_conflict, score_reset or lead_merged."""
    subject: Mapped[Id] = mapped_column(primary_key=True)
    """The reset, merge or alias. A lead has at most one entry of a kind for it."""
    occurred_at: Mapped[Instant]
    data: Mapped[Json]


class LeadOrigin(Base, Tenant):
    """One of the leads that a merged lead consists of; the surviving lead has a row for itself, too."""

    __tablename__ = "lead_origins"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
    )

    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    original_lead_id: Mapped[Id] = mapped_column(primary_key=True)
    taken_in_until: Mapped[Instant | None]
    """Facts of the original lead up to this instant don't count: it was reset or truncated before the merge."""
