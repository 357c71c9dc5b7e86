"""an OU has one unfinished simulation at a time.

Revision ID: 0018
Revises: 0017
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "uq_jobs_unfinished_simulation",
        "jobs",
        ["unit_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'simulation' AND status IN ('queued', 'running')"),
    )


def downgrade() -> None:
    op.drop_index("uq_jobs_unfinished_simulation", "jobs")
