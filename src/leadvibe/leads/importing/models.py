"""The tables of uploaded CSV files that wait to be imported."""

from sqlalchemy import ForeignKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from leadvibe.core.database.models import Base, Big, Blob, Id, Instant, Json, OfUnit, Tenant


class LeadImportFile(Base, OfUnit):
    """An uploaded CSV. Its file name is not stored because it may contain the name of a person."""

    __tablename__ = "lead_import_files"

    file_id: Mapped[Id] = mapped_column(primary_key=True)
    headers: Mapped[Json]
    row_count: Mapped[Big]
    uploaded_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
    """An import of the file never brings back a lead that was deleted after this instant."""
    expires_at: Mapped[Instant]


class LeadImportPiece(Base, Tenant):
    """A piece of a file: consecutive records that are stored in one row and imported in one transaction."""

    __tablename__ = "lead_import_pieces"
    __table_args__ = (
        ForeignKeyConstraint(
            ["unit_id", "file_id"], ["lead_import_files.unit_id", "lead_import_files.file_id"], ondelete="CASCADE"
        ),
    )

    file_id: Mapped[Id] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """The position of the piece in the file, from 0."""
    body: Mapped[Blob]
    """The records in MessagePack; see `encode_piece`."""
