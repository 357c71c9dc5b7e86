"""What lists, search and totals of millions of leads and events need.

Revision ID: 0004
Revises: 0003
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

SLOTS = {
    "lead_counts": [sa.Column("slot", sa.SmallInteger(), nullable=False)],
    "event_counts": [
        sa.Column("event_type", sa.Text(collation="C"), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
    ],
    "usage_counts": [
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
    ],
}

# Keys for GIN indexes, salted with the OU so that one OU's words cost another nothing. Two words with one key do no
# harm: who looks by keys compares the words too.
FUNCTIONS = (
    """
    CREATE FUNCTION key_of(unit text, word text) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN hashtextextended(unit || chr(31) || word, 0)
    """,
    """
    CREATE FUNCTION trigram_keys(unit text, value text) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (
        SELECT array_agg(DISTINCT key_of(unit, substr(value, start, 3)))
        FROM generate_series(1, length(value) - 2) AS start
    )
    """,
    """
    CREATE FUNCTION event_keys(unit text, event_type text, channel text, metadata jsonb) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN array_cat(
        ARRAY[key_of(unit, 'type' || chr(31) || event_type), key_of(unit, 'channel' || chr(31) || channel)],
        (SELECT array_agg(key_of(unit, key || chr(31) || value)) FROM jsonb_each_text(metadata) WHERE value IS NOT NULL)
    )
    """,
)


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(function)
    for table, key in SLOTS.items():
        op.create_table(
            table,
            sa.Column("unit_id", sa.Text(collation="C"), nullable=False),
            *key,
            sa.Column("leads" if table == "lead_counts" else "events", sa.BigInteger(), nullable=False),
            sa.ForeignKeyConstraint(["unit_id"], ["org_units.unit_id"], name=f"fk_{table}_unit_id", ondelete="CASCADE"),
            sa.PrimaryKeyConstraint("unit_id", *(column.name for column in key), name=f"pk_{table}"),
            postgresql_with={"fillfactor": "50"},
        )
    op.execute(
        "INSERT INTO lead_counts SELECT unit_id, 0, count(*) FROM leads WHERE merged_into IS NULL GROUP BY unit_id"
    )
    op.execute("INSERT INTO event_counts SELECT unit_id, event_type, 0, count(*) FROM events GROUP BY 1, 2")
    op.execute(
        "INSERT INTO usage_counts SELECT unit_id, date_trunc('month', received_at AT TIME ZONE 'UTC'), 0, count(*)"
        " FROM events GROUP BY 1, 2"
    )
    op.add_column("leads", sa.Column("score", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.execute(
        "UPDATE leads SET score = lead_scores.score FROM lead_scores JOIN rulesets USING (unit_id, ruleset_id)"
        " WHERE rulesets.is_primary AND lead_scores.unit_id = leads.unit_id AND lead_scores.lead_id = leads.lead_id"
    )
    listed = sa.text("merged_into IS NULL")
    seen = sa.text("coalesce(last_event_at, '-infinity'::timestamptz)")
    op.create_index("ix_leads_ranking", "leads", ["unit_id", "score", seen, "lead_id"], postgresql_where=listed)
    prefix = ["unit_id", sa.text("lower(lead_id)"), "lead_id"]
    op.create_index("ix_leads_id_prefix", "leads", prefix, postgresql_where=listed)
    op.drop_index("ix_lead_scores_highest", table_name="lead_scores")
    op.create_index("ix_aliases_prefix", "aliases", ["unit_id", sa.text("lower(value)"), "lead_id"])
    op.create_index(
        "ix_aliases_trigrams", "aliases", [sa.text("trigram_keys(unit_id, lower(value))")], postgresql_using="gin"
    )
    op.create_index(
        "ix_events_keys",
        "events",
        [sa.text("event_keys(unit_id, event_type, channel, metadata)")],
        postgresql_using="gin",
    )


def downgrade() -> None:
    op.create_index("ix_lead_scores_highest", "lead_scores", ["unit_id", "ruleset_id", "score", "lead_id"])
    op.drop_index("ix_events_keys", table_name="events")
    op.drop_index("ix_aliases_trigrams", table_name="aliases")
    op.drop_index("ix_aliases_prefix", table_name="aliases")
    op.drop_index("ix_leads_id_prefix", table_name="leads")
    op.drop_index("ix_leads_ranking", table_name="leads")
    op.drop_column("leads", "score")
    for table in SLOTS:
        op.drop_table(table)
    op.execute("DROP FUNCTION event_keys, trigram_keys, key_of")
