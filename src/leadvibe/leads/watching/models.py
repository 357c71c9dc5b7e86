"""The table of watched leads."""

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Id, Instant, Tenant


class WatchedLead(Base, Tenant):
    """An entry on a member's watch list."""

    __tablename__ = "watched_leads"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
        Index("ix_watched_leads_lead", "unit_id", "lead_id"),
    )

    org_member_id: Mapped[Id] = mapped_column(
        ForeignKey("members.org_member_id", ondelete="CASCADE"), primary_key=True, index=True
    )
    lead_id: Mapped[Id] = mapped_column(primary_key=True)
    watch_id: Mapped[Id]
    prediction: Mapped[str | None]
    prediction_notes: Mapped[str | None]
    outcome: Mapped[str] = mapped_column(server_default=text("'pending'"))
    outcome_at: Mapped[Instant | None]
    watched_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
