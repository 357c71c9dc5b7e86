"""lead imports and the watch list.

Revision ID: 0006
Revises: 0005
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "lead_import_files",
        sa.Column("unit_id", sa.Text(collation="C"), nullable=False),
        sa.Column("file_id", sa.Text(collation="C"), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column(
            "uploaded_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["org_units.unit_id"], name=op.f("fk_lead_import_files_unit_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("unit_id", "file_id", name=op.f("pk_lead_import_files")),
    )
    op.create_table(
        "lead_import_pieces",
        sa.Column("unit_id", sa.Text(collation="C"), nullable=False),
        sa.Column("file_id", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["unit_id", "file_id"],
            ["lead_import_files.unit_id", "lead_import_files.file_id"],
            name=op.f("fk_lead_import_pieces_unit_id_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("unit_id", "file_id", "number", name=op.f("pk_lead_import_pieces")),
    )
    op.create_table(
        "watched_leads",
        sa.Column("unit_id", sa.Text(collation="C"), nullable=False),
        sa.Column("org_member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("lead_id", sa.Text(collation="C"), nullable=False),
        sa.Column("watch_id", sa.Text(collation="C"), nullable=False),
        sa.Column("prediction", sa.Text(), nullable=True),
        sa.Column("prediction_notes", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("outcome_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "watched_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["org_member_id"],
            ["members.org_member_id"],
            name=op.f("fk_watched_leads_org_member_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["unit_id", "lead_id"],
            ["leads.unit_id", "leads.lead_id"],
            name=op.f("fk_watched_leads_unit_id_lead_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("unit_id", "org_member_id", "lead_id", name=op.f("pk_watched_leads")),
    )
    op.create_index("ix_watched_leads_lead", "watched_leads", ["unit_id", "lead_id"])
    op.create_index(op.f("ix_watched_leads_org_member_id"), "watched_leads", ["org_member_id"])


def downgrade() -> None:
    op.drop_table("watched_leads")
    op.drop_table("lead_import_pieces")
    op.drop_table("lead_import_files")
