"""Compares derived values, like counters, with the rows that they are derived from."""

from typing import Final

from support.postgres import TestDatabase

DRIFTS: Final = {
    "ids with folded case": """
        SELECT lead_id, folded_id FROM leads
        WHERE (folded_id IS NULL) <> (octet_length(lead_id) = char_length(lead_id))
    """,
    "aliases with folded case": """
        SELECT value, folded_value FROM aliases
        WHERE (folded_value IS NULL) <> (octet_length(value) = char_length(value))
    """,
    "leads counted": """
        WITH counted AS (SELECT unit_id, count(*) AS n FROM leads WHERE merged_into IS NULL GROUP BY unit_id),
             stored AS (SELECT unit_id, sum(leads) AS n FROM lead_counts GROUP BY unit_id)
        SELECT unit_id, counted.n AS counted, stored.n AS stored FROM counted FULL JOIN stored USING (unit_id)
        WHERE coalesce(counted.n, 0) <> coalesce(stored.n, 0)
    """,
    "events counted": """
        WITH counted AS (SELECT unit_id, event_type, count(*) AS n FROM events GROUP BY unit_id, event_type),
             stored AS (SELECT unit_id, event_type, sum(events) AS n FROM event_counts GROUP BY unit_id, event_type)
        SELECT unit_id, event_type, counted.n AS counted, stored.n AS stored
        FROM counted FULL JOIN stored USING (unit_id, event_type)
        WHERE coalesce(counted.n, 0) <> coalesce(stored.n, 0)
    """,
    "surge events in the ledger": """
        SELECT unit_id, lead_id, event_id FROM surge_events AS surge
        WHERE NOT EXISTS (
          SELECT FROM score_entries AS entry
          WHERE entry.unit_id = surge.unit_id AND entry.lead_id = surge.lead_id AND entry.event_id = surge.event_id
            AND entry.multiplier = surge.multiplier AND entry.superseded_at IS NULL
        )
    """,
    "surges recorded": """
        SELECT unit_id, lead_id FROM score_entries WHERE superseded_at IS NULL AND multiplier > 1000
        EXCEPT SELECT unit_id, lead_id FROM surge_events
    """,
    "leads ranked": """
        SELECT leads.unit_id, leads.lead_id, leads.score AS ranked, lead_scores.score
        FROM leads LEFT JOIN rulesets ON rulesets.unit_id = leads.unit_id AND rulesets.is_primary
        LEFT JOIN lead_scores ON lead_scores.unit_id = leads.unit_id AND lead_scores.lead_id = leads.lead_id
          AND lead_scores.ruleset_id = rulesets.ruleset_id
        WHERE leads.score <> coalesce(lead_scores.score, 0)
          AND NOT EXISTS (SELECT FROM pgqueuer WHERE entrypoint = 'RankLeads')
    """,
}


async def check_drift(database: TestDatabase) -> None:
    """Fail the test that made a derived value differ from its rows."""
    for what, query in DRIFTS.items():
        assert not await database.fetch(query), f"{what}: stored values differ from the rows"
