"""indexes for the aliases of one lead in order, and for the ids of merged leads.

Revision ID: 0012
Revises: 0011
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("ix_aliases_of_lead", "aliases", ["unit_id", "lead_id", "kind", "created_at", "value"])
    op.drop_index("ix_aliases_lead", "aliases")
    op.execute(
        "CREATE INDEX ix_leads_merged_id_prefix ON leads (unit_id, lower(lead_id), lead_id) INCLUDE (merged_into)"
        " WHERE merged_into IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_leads_merged_id_prefix", "leads")
    op.create_index("ix_aliases_lead", "aliases", ["unit_id", "lead_id"])
    op.drop_index("ix_aliases_of_lead", "aliases")
