"""Creates an OU of a million leads and one of ten thousand for `benchmarks.reads`: `make bench-data`.

SQL statements generate the rows that the server would have written for such events. This takes minutes; sending the
events would take ten times as long. The leads' packed standings are missing, because reads don't use them.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import asyncpg
import uvloop
from rich.progress import Progress

from benchmarks.servers import lasting_database
from leadvibe.core.database.migrations import migrate
from leadvibe.core.database.transactions import asyncpg_dsn, close_database, open_database
from leadvibe.server.bootstrap import bootstrap

EMAIL: Final = "bench@example.com"
PASSWORD: Final = "a long password"
FEW_LEADS: Final = 10_000
MANY_LEADS: Final = int(os.environ.get("BENCH_LEADS", "1000000"))
EVENTS_PER_LEAD: Final = 5
BATCH_LEADS: Final = 50_000

WEIGHTS: Final = {
    "page_view": 1,
    "email_open": 2,
    "email_click": 3,
    "form_submit": 10,
    "webinar": 20,
    "demo_request": 50,
    "chat": 0,
    "unsubscribe": 0,
}

ADD_UNIT: Final = """
INSERT INTO org_units (unit_id, org_id, name, slug, config_version)
SELECT $1, org_id, $1, $1, 1 FROM org_units WHERE is_default
"""
ADD_MEMBER: Final = """
INSERT INTO unit_memberships (unit_id, org_member_id, role) SELECT $1, org_member_id, 'Owner' FROM members
"""
ADD_RULESET: Final = "INSERT INTO rulesets (unit_id, ruleset_id, name, is_primary) VALUES ($1, $2, 'Engagement', true)"

# Random, but the same in every run: the seed is fixed.
ADD_EVENTS: Final = """
WITH generated AS (
    SELECT lead, number,
        (ARRAY[{types}])[1 + floor(8 * pow(random(), 2))::int] AS event_type,
        date_trunc('milliseconds', now() - random() * interval '90 days') AS occurred_at,
        md5(lead || '.' || number) AS digits
    FROM generate_series($2::int, $3::int) AS lead, generate_series(1, $4::int) AS number
), with_ids AS (
    SELECT *, (lpad(to_hex((extract(epoch FROM occurred_at) * 1000)::bigint), 12, '0') || '7' || substr(digits, 1, 3)
               || '8' || substr(digits, 4, 15))::uuid AS event_id
    FROM generated
)
INSERT INTO events (unit_id, event_id, lead_id, event_type, occurred_at, received_at, scored_at, channel, metadata,
                    digest, config_version, session_id)
SELECT $1, event_id, substr(md5($1 || lead), 1, 16), event_type, occurred_at, occurred_at, occurred_at, 'web',
    jsonb_build_object('channel', 'web', 'path', '/products/' || lead % 500, 'utm_campaign', 'campaign-' || number,
                       'seconds', lead % 97)
        || CASE WHEN number = 1 AND lead % 40000 = 7 THEN '{{"coupon": "gold"}}' ELSE '{{}}' END::jsonb,
    '\\x00', 1, event_id
FROM with_ids
"""

ADD_LEADS: Final = """
INSERT INTO leads (unit_id, lead_id, created_at, updated_at, metadata)
SELECT $1, substr(md5($1 || lead), 1, 16), now() - random() * interval '90 days', now(),
    jsonb_build_object('company', 'Company ' || lead % 5000, 'plan', 'plan-' || lead % 3)
FROM generate_series($2::int, $3::int) AS lead
"""

FIRST_NAMES: Final = ("jane", "john", "maria", "ahmed", "li", "olga", "pedro", "yuki", "fatima", "noah")
ADD_ALIASES: Final = """
INSERT INTO aliases (unit_id, kind, value, raw_value, lead_id)
SELECT $1, kind, value, value, substr(md5($1 || lead), 1, 16)
FROM generate_series($2::int, $3::int) AS lead, LATERAL (VALUES
    ('email', (ARRAY[{names}])[1 + lead % 10] || '.' || substr(md5('name' || lead), 1, 6) || '@company'
              || lead % 5000 || '.example'),
    ('cookie', md5('cookie' || $1 || lead))) AS named (kind, value)
ON CONFLICT DO NOTHING
"""

ADD_ENTRIES: Final = """
INSERT INTO score_entries (unit_id, lead_id, ruleset_id, occurred_at, kind, event_id, config_version, awards, base,
                           multiplier, points, applied, recorded_at)
SELECT unit_id, lead_id, $2, occurred_at, 'event', event_id, 1,
    jsonb_build_array(jsonb_build_array('rl_' || event_type, weight)), weight, 1000, weight, weight, occurred_at
FROM events JOIN unnest($3::text[], $4::int[]) AS rule (type, weight) ON rule.type = event_type
WHERE unit_id = $1 AND weight > 0
"""

FINISH: Final = (
    """
    INSERT INTO lead_scores (unit_id, lead_id, ruleset_id, score)
    SELECT unit_id, lead_id, ruleset_id, sum(applied) FROM score_entries WHERE unit_id = $1 GROUP BY 1, 2, 3
    """,
    """
    UPDATE leads SET score = coalesce(last.score, 0), last_event_at = last.at, last_event_type = last.type,
        ledger_at = last.at
    FROM (SELECT DISTINCT ON (events.lead_id) events.lead_id, occurred_at AS at, event_type AS type, score
          FROM events LEFT JOIN lead_scores USING (unit_id, lead_id)
          WHERE events.unit_id = $1 ORDER BY events.lead_id, occurred_at DESC) AS last
    WHERE leads.unit_id = $1 AND leads.lead_id = last.lead_id
    """,
    "INSERT INTO event_types (unit_id, event_type) SELECT DISTINCT unit_id, event_type FROM events WHERE unit_id = $1",
    "INSERT INTO lead_counts SELECT unit_id, 0, count(*) FROM leads WHERE unit_id = $1 GROUP BY 1",
    "INSERT INTO event_counts SELECT unit_id, event_type, 0, count(*) FROM events WHERE unit_id = $1 GROUP BY 1, 2",
)

SECONDARY_INDEXES: Final = """
SELECT indexname, indexdef FROM pg_indexes JOIN pg_class ON relname = indexname
WHERE schemaname = 'public' AND tablename = ANY($1) AND NOT EXISTS (
    SELECT FROM pg_constraint WHERE conindid = pg_class.oid)
"""
TABLES: Final = ("leads", "aliases", "events", "score_entries", "lead_scores")


@dataclass(frozen=True)
class Unit:
    unit_id: str
    leads: int


UNITS: Final = (Unit("unit_few", FEW_LEADS), Unit("unit_many", MANY_LEADS))


async def make(url: str) -> None:
    """Create both OUs, unless the database has them already."""
    await migrate(url)
    open_database(url)
    await bootstrap(organization="Bench", unit="Bench", email=EMAIL, password=PASSWORD)
    await close_database()
    connection = await asyncpg.connect(asyncpg_dsn(url))
    try:
        if await connection.fetchval("SELECT count(*) FROM leads WHERE unit_id = $1", UNITS[-1].unit_id) == MANY_LEADS:
            return
        await _make(connection)
    finally:
        await connection.close()


async def _make(connection: asyncpg.Connection) -> None:
    """Insert without secondary indexes, which are faster to build afterwards, and without foreign key checks."""
    await connection.execute("DELETE FROM org_units WHERE unit_id = ANY($1)", [unit.unit_id for unit in UNITS])
    for table in TABLES:
        await connection.execute(f"DELETE FROM {table} WHERE unit_id = ANY($1)", [unit.unit_id for unit in UNITS])
    indexes = await connection.fetch(SECONDARY_INDEXES, list(TABLES))
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['indexname']}")
    await connection.execute(
        "SET session_replication_role = replica; SET maintenance_work_mem = '1GB'; SELECT setseed(0.5)"
    )
    with Progress() as progress:
        for unit in UNITS:
            task = progress.add_task(f"{unit.leads:,} leads", total=unit.leads)
            await add_unit(connection, unit)
            for start in range(1, unit.leads + 1, BATCH_LEADS):
                await _add_slice(connection, unit, start, min(start + BATCH_LEADS - 1, unit.leads))
                progress.update(task, completed=start + BATCH_LEADS - 1)
            await connection.execute(
                ADD_ENTRIES, unit.unit_id, _ruleset(unit), list(WEIGHTS), list(WEIGHTS.values()), timeout=None
            )
            for statement in FINISH:
                await connection.execute(statement, unit.unit_id)
        task = progress.add_task("indexes", total=len(indexes))
        for index in indexes:
            await connection.execute(index["indexdef"])
            progress.advance(task)
    await connection.execute("VACUUM ANALYZE")


async def add_unit(connection: asyncpg.Connection, unit: Unit) -> None:
    await connection.execute(ADD_UNIT, unit.unit_id)
    await connection.execute(ADD_MEMBER, unit.unit_id)
    await connection.execute(ADD_RULESET, unit.unit_id, _ruleset(unit))


async def _add_slice(connection: asyncpg.Connection, unit: Unit, first: int, last: int) -> None:
    await connection.execute(ADD_LEADS, unit.unit_id, first, last)
    await connection.execute(ADD_ALIASES.format(names=_literals(FIRST_NAMES)), unit.unit_id, first, last)
    await connection.execute(ADD_EVENTS.format(types=_literals(WEIGHTS)), unit.unit_id, first, last, EVENTS_PER_LEAD)


def _ruleset(unit: Unit) -> str:
    return f"rs_{unit.unit_id}"


def _literals(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def main() -> None:
    with lasting_database() as url:
        uvloop.run(make(url))


if __name__ == "__main__":
    main()
