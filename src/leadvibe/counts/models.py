"""How many leads and events an OU has, in slots that are added up: so that transactions seldom wait for each other."""

from datetime import date

from sqlalchemy import SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Big, Id, OfUnit

IN_PLACE = {"postgresql_with": {"fillfactor": "50"}}
"""Rows that change all the time leave room for their next version beside them."""


class LeadCount(Base, OfUnit):
    """Leads that weren't merged into others."""

    __tablename__ = "lead_counts"
    __table_args__ = (IN_PLACE,)

    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    leads: Mapped[Big]


class EventCount(Base, OfUnit):
    """Processed events of a type."""

    __tablename__ = "event_counts"
    __table_args__ = (IN_PLACE,)

    event_type: Mapped[Id] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    events: Mapped[Big]


class UsageCount(Base, OfUnit):
    """Events that were received in a calendar month, UTC, and counted: what is deleted later was used all the same."""

    __tablename__ = "usage_counts"
    __table_args__ = (IN_PLACE,)

    month: Mapped[date] = mapped_column(primary_key=True)
    """Its first day."""
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    events: Mapped[Big]
