"""The check on every statement of the suite tells a confined statement from one that isn't."""

import pytest

from support.confinement import unconfined

TABLES = {"leads", "events", "lead_scores", "aliases"}

JOINED_UPDATE = (
    "UPDATE leads SET owner_id = e.x FROM unnest($1::text[]) AS t (lead_id) LEFT JOIN events AS e ON {}"
    " WHERE leads.unit_id = $2"
)

CONFINED = [
    "SELECT leads.lead_id FROM leads WHERE leads.unit_id = $1::VARCHAR AND leads.lead_id = $2",
    "SELECT * FROM leads l JOIN lead_scores s ON s.unit_id = l.unit_id AND s.lead_id = l.lead_id WHERE l.unit_id = $1",
    "SELECT * FROM leads l JOIN lead_scores s USING (unit_id, lead_id) WHERE l.unit_id = $1",
    "SELECT * FROM leads, lead_scores WHERE leads.unit_id = $1 AND lead_scores.unit_id = leads.unit_id",
    "SELECT * FROM leads l JOIN lead_scores s ON (s.unit_id, s.lead_id) = (l.unit_id, l.lead_id) WHERE l.unit_id = $1",
    "SELECT 1 FROM leads WHERE (unit_id, lead_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
    "SELECT 1 FROM leads JOIN unnest($1::text[], $2::text[]) AS t (unit_id, lead_id) ON t.unit_id = leads.unit_id",
    "SELECT 1 FROM unnest($1::text[]) AS t (lead_id) JOIN leads ON leads.unit_id = $2 AND leads.lead_id = t.lead_id",
    "UPDATE leads SET owner_id = $2 WHERE unit_id = $1",
    "UPDATE leads AS l SET owner_id = t.o FROM unnest($2::text[]) AS t (o) WHERE l.unit_id = $1",
    "SELECT 1 FROM leads AS l WHERE l.unit_id = $1 FOR NO KEY UPDATE OF l SKIP LOCKED",
    "DELETE FROM leads USING events e WHERE leads.unit_id = $1 AND e.unit_id = leads.unit_id",
    "INSERT INTO leads (unit_id, lead_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    "INSERT INTO leads (unit_id, lead_id) VALUES ($1, $2) ON CONFLICT (unit_id, lead_id) DO UPDATE SET owner_id = $3",
    'COPY "public"."events" ("unit_id", "event_id") FROM STDIN WITH BINARY',
    "SELECT event_type FROM inbox WHERE route = $1",
    "SELECT 'from leads'",
    "SELECT extract(epoch FROM events.occurred_at) FROM events WHERE events.unit_id = $1",
    "WITH due AS MATERIALIZED (SELECT lead_id FROM leads WHERE unit_id = $1) SELECT * FROM due",
    "SELECT count(*) FROM (SELECT 1 FROM events WHERE unit_id = $1) AS anon_1",
    "SELECT (SELECT count(*) FROM events e WHERE e.unit_id = l.unit_id) FROM leads l WHERE l.unit_id IN ($1)",
    "SELECT 1 FROM leads WHERE unit_id = ANY($1)",
    "SELECT 1 FROM leads WHERE $1 = unit_id",
    "SELECT 1 FROM leads, events WHERE (leads.unit_id)::text = $1::text AND events.unit_id = leads.unit_id",
    'SELECT 1 FROM leads WHERE leads.unit_id COLLATE "C" = $1::VARCHAR COLLATE "C"',
    JOINED_UPDATE.format("e.unit_id = $2 AND e.lead_id = t.lead_id"),
    "EXPLAIN (FORMAT JSON) SELECT 1 FROM leads WHERE unit_id = $1",
    "LISTEN leads",
    "SET application_name = 'leads'",
]

NOT_CONFINED = [
    ("SELECT * FROM leads", ["leads"]),
    ("SELECT leads.unit_id FROM leads WHERE lead_id = $1", ["leads"]),
    ("SELECT * FROM leads ORDER BY unit_id", ["leads"]),
    ("SELECT * FROM leads l JOIN lead_scores s ON s.lead_id = l.lead_id WHERE l.unit_id = $1", ["lead_scores"]),
    ("SELECT * FROM leads l JOIN lead_scores s ON s.unit_id = l.unit_id", ["lead_scores", "leads"]),
    ("SELECT * FROM leads l JOIN lead_scores s USING (unit_id, lead_id)", ["lead_scores", "leads"]),
    ("SELECT * FROM public.leads WHERE lead_id = $1", ["leads"]),
    ("SELECT * FROM inbox, leads WHERE inbox.unit_id = $1", ["leads"]),
    ("UPDATE leads SET unit_id = $1 WHERE lead_id = $2", ["leads"]),
    ("DELETE FROM events WHERE occurred_at < $1", ["events"]),
    ("INSERT INTO leads (lead_id) VALUES ($1)", ["leads"]),
    ("INSERT INTO leads VALUES ($1, $2)", ["leads"]),
    ("INSERT INTO leads (unit_id, lead_id) SELECT unit_id, lead_id FROM events", ["events"]),
    ("COPY events (event_id) FROM STDIN", ["events"]),
    ("COPY events (unit_id, event_id) TO STDOUT", ["events"]),
    ("SELECT 1 FROM leads WHERE unit_id = $1 UNION ALL SELECT 1 FROM events", ["events"]),
    ("WITH old AS (DELETE FROM events RETURNING unit_id) SELECT * FROM old WHERE unit_id = $1", ["events"]),
    ("INSERT INTO leads (lead_id) VALUES ($1) ON CONFLICT (lead_id) DO UPDATE SET unit_id = $2", ["leads"]),
    ("TRUNCATE leads", ["leads"]),
    ("EXPLAIN SELECT 1 FROM leads", ["leads"]),
    (JOINED_UPDATE.format("e.lead_id = t.lead_id"), ["events"]),
    ("LOCK TABLE leads", ["leads"]),
]

UNREADABLE = "SELECT FROM WHERE leads JOIN events unit_id = $1"


@pytest.mark.parametrize("statement", CONFINED)
def test_a_statement_that_names_the_unit_of_each_tenant_table_is_confined(statement: str) -> None:
    assert unconfined(statement, TABLES) == []


@pytest.mark.parametrize(("statement", "tables"), NOT_CONFINED)
def test_a_statement_that_leaves_a_tenant_table_without_its_unit_is_found(statement: str, tables: list[str]) -> None:
    assert unconfined(statement, TABLES) == tables


def test_a_statement_that_cannot_be_parsed_is_found_with_every_table_it_names() -> None:
    assert unconfined(UNREADABLE, TABLES) == ["events", "leads"]
