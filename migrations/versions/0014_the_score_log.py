"""indexes for the score log, and for the rows of a timeline that are no events.

Revision ID: 0014
Revises: 0013
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The seconds are those of a difference, because only those are immutable, so that an index may use them.
FUNCTIONS = (
    """
    CREATE FUNCTION timeline_id(lead_id text, kind text, subject text) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN md5(lead_id || '/' || kind || '/' || subject)::uuid
    """,
    """
    CREATE FUNCTION step_id(lead_id text, subject text, at timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN timeline_id(
        lead_id, subject, (extract(epoch FROM at - timestamptz '1970-01-01 00:00:00Z') * 1000000)::bigint::text
    )
    """,
)


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(function)
    op.execute(
        "CREATE INDEX ix_score_entries_no_events ON score_entries (unit_id, lead_id, occurred_at)"
        " WHERE superseded_at IS NULL AND kind <> 'event'"
    )
    op.execute(
        "CREATE INDEX ix_score_entries_step_id ON score_entries (unit_id, step_id(lead_id, subject_id, occurred_at))"
        " WHERE superseded_at IS NULL AND kind <> 'event'"
    )
    op.execute(
        "CREATE INDEX ix_timeline_entries_row_id ON timeline_entries (unit_id, timeline_id(lead_id, kind, subject))"
    )
    op.create_index("ix_score_adjustments_id", "score_adjustments", ["unit_id", "adjustment_id"])
    op.create_index("ix_score_adjustments_newest", "score_adjustments", ["unit_id", "lead_id", "adjusted_at"])


def downgrade() -> None:
    op.drop_index("ix_score_adjustments_newest", "score_adjustments")
    op.drop_index("ix_score_adjustments_id", "score_adjustments")
    op.drop_index("ix_timeline_entries_row_id", "timeline_entries")
    op.drop_index("ix_score_entries_step_id", "score_entries")
    op.drop_index("ix_score_entries_no_events", "score_entries")
    op.execute("DROP FUNCTION step_id, timeline_id")
