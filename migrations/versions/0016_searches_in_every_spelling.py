"""Searches ignore case in every script; stored phone numbers get today's form; old answers can be found.

Revision ID: 0016
Revises: 0015
"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from alembic import op

from leadvibe.identity.aliases import normalize
from leadvibe.identity.case_folding import fold_case

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ROWS = 5_000

LEAD_INDEXES = {
    "ix_leads_id_prefix": "WHERE merged_into IS NULL",
    "ix_leads_merged_id_prefix": "INCLUDE (merged_into) WHERE merged_into IS NOT NULL",
}

READ_PHONES = sa.text("""
SELECT aliases.unit_id, value, raw_value, lead_id, phone_region
FROM aliases JOIN org_units USING (unit_id)
WHERE kind = 'phone' AND (aliases.unit_id, kind, value) > (:unit_id, 'phone', :value)
ORDER BY aliases.unit_id, value LIMIT :rows
""")
# The forms that no lead has and only one lead claims, each for its first old form. An old form that events may still
# name stays beside the new one.
CREATE_CHOSEN = """
CREATE TEMPORARY TABLE chosen_phones ON COMMIT DROP AS
SELECT DISTINCT ON (unit_id, normalized) unit_id, value, normalized, is_readable
FROM normalized_phones AS phone
WHERE NOT EXISTS (
    SELECT FROM aliases
    WHERE aliases.unit_id = phone.unit_id AND kind = 'phone' AND aliases.value = phone.normalized
) AND NOT EXISTS (
    SELECT FROM normalized_phones AS other
    WHERE other.unit_id = phone.unit_id AND other.normalized = phone.normalized AND other.lead_id <> phone.lead_id
)
ORDER BY unit_id, normalized, value
"""
REPLACE_PHONES = """
UPDATE aliases SET value = chosen.normalized
FROM chosen_phones AS chosen
WHERE aliases.unit_id = chosen.unit_id AND kind = 'phone' AND aliases.value = chosen.value AND NOT chosen.is_readable
"""
ADD_PHONES = """
INSERT INTO aliases (unit_id, kind, value, raw_value, lead_id, original_lead_id, created_at)
SELECT unit_id, kind, chosen.normalized, raw_value, lead_id, original_lead_id, created_at
FROM aliases JOIN chosen_phones AS chosen USING (unit_id, value)
WHERE kind = 'phone' AND chosen.is_readable
"""


def upgrade() -> None:
    drop_indexes()
    fold("leads", "lead_id", "folded_id")
    fold("aliases", "value", "folded_value")
    normalize_phones()
    create_indexes("coalesce(folded_id, lower(lead_id))", "coalesce(folded_value, lower(value))")
    op.create_index(
        "ix_aliases_sample",
        "aliases",
        ["unit_id", "alias_id"],
        unique=True,
        postgresql_include=["kind", "value", "folded_value", "lead_id"],
    )
    op.create_index(
        "ix_ingest_requests_answered", "ingest_requests", ["created_at"], postgresql_where=sa.text("answer IS NOT NULL")
    )


def downgrade() -> None:
    """The forms of phone numbers stay: older versions don't look them up."""
    op.drop_index("ix_ingest_requests_answered", table_name="ingest_requests")
    drop_indexes()
    op.drop_column("aliases", "folded_value")
    op.drop_column("leads", "folded_id")
    create_indexes("lower(lead_id)", "lower(value)")
    op.create_index(
        "ix_aliases_sample", "aliases", ["unit_id", "alias_id"], unique=True, postgresql_include=["value", "lead_id"]
    )


def drop_indexes() -> None:
    for name in LEAD_INDEXES:
        op.drop_index(name, table_name="leads")
    for name in ("ix_aliases_sample", "ix_aliases_prefix", "ix_aliases_trigrams"):
        op.drop_index(name, table_name="aliases")


def create_indexes(folded_id: str, folded_value: str) -> None:
    for name, rest in LEAD_INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON leads (unit_id, ({folded_id}), lead_id) {rest}")
    op.execute(f"CREATE INDEX ix_aliases_prefix ON aliases (unit_id, ({folded_value}), lead_id)")
    op.execute(f"CREATE INDEX ix_aliases_trigrams ON aliases USING gin (trigram_keys(unit_id, {folded_value}))")


def fold(table: str, text: str, folded: str) -> None:
    """Add the folded form of texts that are not ASCII."""
    op.add_column(table, sa.Column(folded, sa.Text(collation="C"), nullable=True))
    connection = op.get_bind()
    column = sa.column(text, sa.Text())
    old = sa.table(table, column, sa.column(folded, sa.Text()))
    read = sa.select(column).distinct().select_from(old).where(sa.func.octet_length(column) > sa.func.length(column))
    rows: list[dict[str, object]] = [{"text": each, "folded": fold_case(each)} for each in connection.scalars(read)]
    fill("foldings", ["text", "folded"], rows)
    new = sa.table("foldings", sa.column("text"), sa.column("folded"))
    connection.execute(sa.update(old).values({folded: new.c.folded}).where(old.c[text] == new.c.text))
    op.execute("DROP TABLE foldings")


def normalize_phones() -> None:
    """Give phone numbers of older versions the form in which events name them now, where no other lead has it."""
    columns = ["unit_id", "value", "normalized", "lead_id"]
    fill("normalized_phones", columns, list(changed_phones()), is_readable=sa.Boolean())
    op.execute(CREATE_CHOSEN)
    op.execute(REPLACE_PHONES)
    op.execute(ADD_PHONES)
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")  # an index can't be created while foreign keys wait for their check
    op.execute("DROP TABLE normalized_phones, chosen_phones")


def changed_phones() -> Iterator[dict[str, object]]:
    connection, after = op.get_bind(), ("", "")
    while page := connection.execute(READ_PHONES, {"unit_id": after[0], "value": after[1], "rows": ROWS}).all():
        for unit_id, value, raw_value, lead_id, region in page:
            normalized = normalized_phone(raw_value, region)
            if normalized not in (None, value):
                is_readable = normalized_phone(value, region) == value
                row = {"unit_id": unit_id, "value": value, "normalized": normalized, "lead_id": lead_id}
                yield row | {"is_readable": is_readable}
        after = page[-1].unit_id, page[-1].value


def normalized_phone(text: str, region: str | None) -> str | None:
    try:
        return normalize("phone", text, region)
    except ValueError:
        return None


def fill(name: str, texts: Sequence[str], rows: Sequence[dict[str, object]], **types: sa.Boolean) -> None:
    """Create a temporary table with these rows."""
    columns = [sa.Column(text, sa.Text(collation="C")) for text in texts]
    columns += [sa.Column(column, kind) for column, kind in types.items()]
    table = sa.Table(name, sa.MetaData(), *columns, prefixes=["TEMPORARY"])
    connection = op.get_bind()
    table.create(connection)
    for start in range(0, len(rows), ROWS):
        connection.execute(sa.insert(table), rows[start : start + ROWS])
    op.execute(f"ANALYZE {name}")
