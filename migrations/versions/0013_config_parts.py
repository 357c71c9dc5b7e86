"""config_parts: versions of a configuration store only the parts that they change.

Revision ID: 0013
Revises: 0012
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# A part is superseded by the first later version in which it is missing or different.
SPLIT_SNAPSHOTS = """
WITH parts AS (
    SELECT unit_id, version, kind, part_id, part
    FROM config_versions CROSS JOIN LATERAL (
        SELECT 'rulesets', item ->> 'ruleset_id', item FROM jsonb_array_elements(snapshot -> 'rulesets') AS item
        UNION ALL SELECT 'rules', item ->> 'rule_id', item FROM jsonb_array_elements(snapshot -> 'rules') AS item
        UNION ALL SELECT 'decays', item ->> 'decay_id', item FROM jsonb_array_elements(snapshot -> 'decays') AS item
        UNION ALL SELECT 'filters', item ->> 'filter_id', item FROM jsonb_array_elements(snapshot -> 'filters') AS item
        UNION ALL SELECT 'event_types', key, value FROM jsonb_each(snapshot -> 'event_types')
        UNION ALL SELECT 'settings', key, value FROM jsonb_each(snapshot)
        WHERE key IN ('surge_policy', 'allow_negative_scores', 'session_timeout_minutes') AND value <> 'null'
    ) AS split (kind, part_id, part)
), compared AS (
    SELECT parts.*,
           lag(version) OVER history IS DISTINCT FROM version - 1 OR lag(part) OVER history <> part AS starts,
           lead(version) OVER history IS DISTINCT FROM version + 1 OR lead(part) OVER history <> part AS ends
    FROM parts WINDOW history AS (PARTITION BY unit_id, kind, part_id ORDER BY version)
), bounds AS (
    SELECT compared.*, row_number() OVER spans AS span
    FROM (SELECT unit_id, kind, part_id, part, version AS bound, true AS is_start FROM compared WHERE starts
          UNION ALL
          SELECT unit_id, kind, part_id, part, version + 1, false FROM compared WHERE ends) AS compared
    WINDOW spans AS (PARTITION BY unit_id, kind, part_id, is_start ORDER BY bound)
)
INSERT INTO config_parts (unit_id, version, kind, part_id, part, superseded_in)
SELECT first.unit_id, first.bound, first.kind, first.part_id, first.part,
       CASE WHEN last.bound <= org_units.config_version THEN last.bound END
FROM bounds AS first
JOIN bounds AS last USING (unit_id, kind, part_id, span)
JOIN org_units ON org_units.unit_id = first.unit_id
WHERE first.is_start AND NOT last.is_start
"""

JOIN_PARTS = """
UPDATE config_versions SET snapshot = joined.snapshot
FROM (
    SELECT versions.unit_id, versions.version,
           jsonb_build_object(
               'rulesets', coalesce(jsonb_agg(part ORDER BY part_id) FILTER (WHERE kind = 'rulesets'), '[]'),
               'rules', coalesce(jsonb_agg(part ORDER BY part_id) FILTER (WHERE kind = 'rules'), '[]'),
               'decays', coalesce(jsonb_agg(part ORDER BY part_id) FILTER (WHERE kind = 'decays'), '[]'),
               'filters', coalesce(jsonb_agg(part ORDER BY part_id) FILTER (WHERE kind = 'filters'), '[]'),
               'event_types', coalesce(jsonb_object_agg(part_id, part) FILTER (WHERE kind = 'event_types'), '{}')
           ) || coalesce(jsonb_object_agg(part_id, part) FILTER (WHERE kind = 'settings'), '{}') AS snapshot
    FROM config_versions AS versions
    JOIN config_parts AS parts
      ON parts.unit_id = versions.unit_id AND parts.version <= versions.version
     AND (parts.superseded_in IS NULL OR parts.superseded_in > versions.version)
    GROUP BY versions.unit_id, versions.version
) AS joined
WHERE config_versions.unit_id = joined.unit_id AND config_versions.version = joined.version
"""


def upgrade() -> None:
    op.create_table(
        "config_parts",
        sa.Column("unit_id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("part_id", sa.Text(collation="C"), nullable=False),
        sa.Column("part", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("superseded_in", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["org_units.unit_id"], name=op.f("fk_config_parts_unit_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("unit_id", "version", "kind", "part_id", name=op.f("pk_config_parts")),
    )
    op.create_index("ix_config_parts_superseded_in", "config_parts", ["unit_id", "superseded_in"])
    op.execute(SPLIT_SNAPSHOTS)
    op.drop_column("config_versions", "snapshot")


def downgrade() -> None:
    op.add_column("config_versions", sa.Column("snapshot", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.execute(JOIN_PARTS)
    op.alter_column("config_versions", "snapshot", nullable=False)
    op.drop_table("config_parts")
