"""a rescore stamps the lead.

Revision ID: 0007
Revises: 0006
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("leads", sa.Column("stamped_version", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.execute(
        "UPDATE events SET config_version = leads.stamped_version FROM leads"
        " WHERE leads.unit_id = events.unit_id AND leads.lead_id = events.lead_id"
        " AND events.config_version < leads.stamped_version"
    )
    op.drop_column("leads", "stamped_version")
