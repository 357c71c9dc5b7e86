"""Files of leads that were previewed, and wait to be imported."""

from sqlalchemy import ForeignKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Big, Blob, Id, Instant, Json, OfUnit, Tenant


class LeadImportFile(Base, OfUnit):
    """A CSV; its name isn't kept, since it may be somebody's."""

    __tablename__ = "lead_import_files"

    file_id: Mapped[Id] = mapped_column(primary_key=True)
    headers: Mapped[Json]
    row_count: Mapped[Big]
    uploaded_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
    """A lead that is deleted later isn't brought back by this file."""
    expires_at: Mapped[Instant]


class LeadImportPiece(Base, Tenant):
    """Some of its records in their order, as many as one transaction imports."""

    __tablename__ = "lead_import_pieces"
    __table_args__ = (
        ForeignKeyConstraint(
            ["unit_id", "file_id"], ["lead_import_files.unit_id", "lead_import_files.file_id"], ondelete="CASCADE"
        ),
    )

    file_id: Mapped[Id] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """From 0."""
    body: Mapped[Blob]
