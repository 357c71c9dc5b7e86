"""Organizational units (OUs) and their members."""

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Id, OfUnit, Timestamps


class OrgUnit(Base, Timestamps):
    """An organizational unit. Leads, events, configuration and credentials each belong to one OU."""

    __tablename__ = "org_units"
    __table_args__ = (
        UniqueConstraint("org_id", "slug"),
        Index("uq_org_units_default", "org_id", unique=True, postgresql_where=text("is_default")),
    )

    unit_id: Mapped[Id] = mapped_column(primary_key=True)
    org_id: Mapped[Id] = mapped_column(ForeignKey("organizations.org_id", ondelete="CASCADE"))
    name: Mapped[str]
    slug: Mapped[str]
    external_ref: Mapped[str | None]
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))
    phone_region: Mapped[str | None]
    """The country of phone numbers without a country code, as an ISO 3166 code of two letters."""
    session_timeout_minutes: Mapped[int] = mapped_column(server_default=text("30"))
    config_version: Mapped[int] = mapped_column(server_default=text("0"))
    """The current version of the OU's configuration; 0 before the first."""


class UnitMembership(Base, OfUnit, Timestamps):
    __tablename__ = "unit_memberships"

    org_member_id: Mapped[Id] = mapped_column(
        ForeignKey("members.org_member_id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str]
    """The role in the OU: Owner, Operator or Viewer."""
