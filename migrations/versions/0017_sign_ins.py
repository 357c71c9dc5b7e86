"""sign-ins that end, and personal tokens that end with the one that created them.

Revision ID: 0017
Revises: 0016
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "sign_ins",
        sa.Column("sign_in_id", sa.Text(collation="C"), nullable=False),
        sa.Column("org_member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_member_id"],
            ["members.org_member_id"],
            name=op.f("fk_sign_ins_org_member_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sign_in_id", name=op.f("pk_sign_ins")),
    )
    op.create_index(op.f("ix_sign_ins_org_member_id"), "sign_ins", ["org_member_id"])
    op.execute(
        "INSERT INTO sign_ins (sign_in_id, org_member_id, expires_at)"
        " SELECT family_id, min(org_member_id), max(expires_at) FROM refresh_tokens GROUP BY family_id"
    )
    op.drop_index("ix_refresh_tokens_family_id", "refresh_tokens")
    op.drop_column("refresh_tokens", "org_member_id")
    op.drop_column("refresh_tokens", "expires_at")
    op.alter_column("refresh_tokens", "family_id", new_column_name="sign_in_id")
    op.create_index(op.f("ix_refresh_tokens_sign_in_id"), "refresh_tokens", ["sign_in_id"])
    op.create_foreign_key(
        op.f("fk_refresh_tokens_sign_in_id"),
        "refresh_tokens",
        "sign_ins",
        ["sign_in_id"],
        ["sign_in_id"],
        ondelete="CASCADE",
    )
    op.add_column("personal_tokens", sa.Column("parent_id", sa.Text(collation="C"), nullable=True))
    op.create_index(op.f("ix_personal_tokens_parent_id"), "personal_tokens", ["parent_id"])
    op.create_foreign_key(
        op.f("fk_personal_tokens_parent_id"),
        "personal_tokens",
        "personal_tokens",
        ["parent_id"],
        ["token_id"],
        ondelete="CASCADE",
    )


def downgrade() -> None:
    op.drop_column("personal_tokens", "parent_id")
    op.add_column("refresh_tokens", sa.Column("org_member_id", sa.Text(collation="C"), nullable=True))
    op.add_column("refresh_tokens", sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.execute(
        "UPDATE refresh_tokens SET org_member_id = sign_ins.org_member_id, expires_at = sign_ins.expires_at"
        " FROM sign_ins WHERE sign_ins.sign_in_id = refresh_tokens.sign_in_id"
    )
    op.alter_column("refresh_tokens", "org_member_id", nullable=False)
    op.alter_column("refresh_tokens", "expires_at", nullable=False)
    op.create_foreign_key(
        "fk_refresh_tokens_org_member_id",
        "refresh_tokens",
        "members",
        ["org_member_id"],
        ["org_member_id"],
        ondelete="CASCADE",
    )
    op.create_index("ix_refresh_tokens_org_member_id", "refresh_tokens", ["org_member_id"])
    op.drop_constraint("fk_refresh_tokens_sign_in_id", "refresh_tokens", type_="foreignkey")
    op.drop_index("ix_refresh_tokens_sign_in_id", "refresh_tokens")
    op.alter_column("refresh_tokens", "sign_in_id", new_column_name="family_id")
    op.create_index("ix_refresh_tokens_family_id", "refresh_tokens", ["family_id"])
    op.drop_table("sign_ins")
