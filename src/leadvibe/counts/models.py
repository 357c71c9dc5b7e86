"""The counters of an OU's leads and events. Each is the sum of several slots, so that transactions seldom collide."""

from datetime import date

from sqlalchemy import SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Big, Id, OfUnit

HOT_UPDATES = {"postgresql_with": {"fillfactor": "50"}}
"""Half of each page stays free, so that an update can write the new version of a row to the same page."""


class LeadCount(Base, OfUnit):
    """Leads, without those that were merged into another."""

    __tablename__ = "lead_counts"
    __table_args__ = (HOT_UPDATES,)

    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    leads: Mapped[Big]


class EventCount(Base, OfUnit):
    """Processed events of a type."""

    __tablename__ = "event_counts"
    __table_args__ = (HOT_UPDATES,)

    event_type: Mapped[Id] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    events: Mapped[Big]


class UsageCount(Base, OfUnit):
    """Processed events by the calendar month of receipt, in UTC. Deleted events stay counted."""

    __tablename__ = "usage_counts"
    __table_args__ = (HOT_UPDATES,)

    month: Mapped[date] = mapped_column(primary_key=True)
    """The first day of the month."""
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    events: Mapped[Big]
