"""owners are members, and who is removed owns nothing.

Revision ID: 0009
Revises: 0008
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute(
        "UPDATE leads SET owner_id = NULL"
        " WHERE owner_id IS NOT NULL AND NOT EXISTS (SELECT FROM members WHERE org_member_id = leads.owner_id)"
    )
    op.create_foreign_key("fk_leads_owner_id", "leads", "members", ["owner_id"], ["org_member_id"], ondelete="SET NULL")


def downgrade() -> None:
    op.drop_constraint("fk_leads_owner_id", "leads", type_="foreignkey")
