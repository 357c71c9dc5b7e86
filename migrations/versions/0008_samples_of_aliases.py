"""samples of aliases are read from their index alone.

Revision ID: 0008
Revises: 0007
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.drop_constraint("uq_aliases_unit_id_alias_id", "aliases", type_="unique")
    op.create_index(
        "ix_aliases_sample", "aliases", ["unit_id", "alias_id"], unique=True, postgresql_include=["value", "lead_id"]
    )


def downgrade() -> None:
    op.drop_index("ix_aliases_sample", table_name="aliases")
    op.create_unique_constraint("uq_aliases_unit_id_alias_id", "aliases", ["unit_id", "alias_id"])
