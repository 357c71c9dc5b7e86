"""The table of orders."""

from decimal import Decimal

from sqlalchemy import ForeignKeyConstraint, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Id, Instant, Json, Tenant, Timestamps


class Order(Base, Tenant, Timestamps):
    """A purchase of a lead, as the client reports it. Shown with the lead's events, never scored."""

    __tablename__ = "orders"
    __table_args__ = (
        ForeignKeyConstraint(["unit_id", "lead_id"], ["leads.unit_id", "leads.lead_id"], ondelete="CASCADE"),
        Index("ix_orders_lead", "unit_id", "lead_id", "occurred_at", "order_id"),
        Index("ix_orders_newest", "unit_id", "occurred_at", "order_id"),
    )

    order_id: Mapped[Id] = mapped_column(primary_key=True)
    lead_id: Mapped[Id]
    amount: Mapped[Decimal] = mapped_column(Numeric())
    """With the number of decimals that the client sent."""
    currency: Mapped[str]
    status: Mapped[str | None]
    occurred_at: Mapped[Instant]
    # `metadata` is a name that declarative classes reserve.
    attributes: Mapped[Json] = mapped_column("metadata", server_default=text("'{}'::jsonb"))
    original_lead_id: Mapped[str | None]
