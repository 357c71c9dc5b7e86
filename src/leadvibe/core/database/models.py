"""Column types and base classes of all tables."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, MetaData, Text, func
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Id = Annotated[str, mapped_column(Text(collation="C"))]
"""An id or name that is compared byte by byte, so that equality and prefix conditions can use a plain index."""

Instant = Annotated[datetime, mapped_column(TIMESTAMP(timezone=True))]
Json = Annotated[Any, mapped_column(JSONB)]
Big = Annotated[int, mapped_column(BigInteger)]
Blob = Annotated[bytes, mapped_column(LargeBinary)]


class Base(DeclarativeBase):
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - declared by SQLAlchemy as no ClassVar
    type_annotation_map: ClassVar[dict[Any, Any]] = {str: Text()}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Tenant:
    """A table whose rows belong to an OU; `unit_id` is the first column of its primary key."""

    unit_id: Mapped[Id] = mapped_column(primary_key=True, sort_order=-2)


class OfUnit(Tenant):
    """A tenant table whose rows are deleted with their OU. Not for tables with a row per event: the check is costly."""

    unit_id: Mapped[Id] = mapped_column(
        ForeignKey("org_units.unit_id", ondelete="CASCADE"), primary_key=True, sort_order=-2
    )


class Timestamps:
    created_at: Mapped[Instant] = mapped_column(server_default=func.now(), sort_order=90)
    updated_at: Mapped[Instant] = mapped_column(server_default=func.now(), onupdate=func.now(), sort_order=91)


class Authored(Timestamps):
    """When a row was created and changed, and by whom (the id of a member or credential)."""

    created_by: Mapped[str | None] = mapped_column(sort_order=92)
    updated_by: Mapped[str | None] = mapped_column(sort_order=93)
