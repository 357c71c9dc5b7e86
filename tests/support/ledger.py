"""Invariants of the stored scores, which hold after any history."""

from typing import Any, Protocol

from support.loans import Totals


class QueryConnection(Protocol):
    """An asyncpg connection or a `TestDatabase`."""

    async def fetch(self, query: str, /, *arguments: object) -> list[Any]: ...
    async def fetchval(self, query: str, /, *arguments: object) -> Any: ...


LEDGER_SUMS = """
SELECT unit_id, lead_id, ruleset_id, sum(applied) AS score
FROM score_entries WHERE superseded_at IS NULL GROUP BY 1, 2, 3
"""


async def differences(database: QueryConnection) -> list[dict[str, Any]]:
    """The stored totals that differ from the sum of their current ledger entries."""
    return await database.fetch(
        f"""
        SELECT unit_id, lead_id, ruleset_id, stored.score AS stored, ledger.score AS ledger
        FROM lead_scores AS stored FULL JOIN ({LEDGER_SUMS}) AS ledger USING (unit_id, lead_id, ruleset_id)
        WHERE coalesce(stored.score, 0) <> coalesce(ledger.score, 0)
        """
    )


async def stored_totals(database: QueryConnection, unit_id: str) -> Totals:
    """Totals by lead and ruleset name, without zeros."""
    found = await database.fetch(
        "SELECT lead_id, name, score FROM lead_scores JOIN rulesets USING (unit_id, ruleset_id)"
        " WHERE unit_id = $1 AND score <> 0",
        unit_id,
    )
    return {(row["lead_id"], row["name"]): row["score"] for row in found}


async def fingerprint(database: QueryConnection, unit_id: str) -> str:
    """A hash of the current ledger and of the surge events in order, without ids and recording times."""
    surge_events = await database.fetchval(
        """
        SELECT md5(string_agg(concat_ws('|', s.lead_id, s.occurred_at, s.channel, s.started_at, s.surge_count,
                                        s.multiplier, v.event_type, encode(v.digest, 'hex')), E'\\n'
                              ORDER BY s.lead_id, s.occurred_at, s.surge_count))
        FROM surge_events AS s JOIN events AS v USING (unit_id, event_id)
        WHERE s.unit_id = $1
        """,
        unit_id,
    )
    ledger = await database.fetchval(
        """
        SELECT md5(string_agg(concat_ws('|', lead_id, name, occurred_at, kind, event_type, digest, awards_by_type, base,
                                        multiplier, points, applied), E'\\n'
                              ORDER BY lead_id, name, occurred_at, event_type, digest, applied, points, multiplier))
        FROM (
            SELECT e.lead_id, r.name, e.occurred_at, e.kind, v.event_type, encode(v.digest, 'hex') AS digest,
                   (SELECT string_agg(a ->> 1, ',') FROM jsonb_array_elements(e.awards) AS a) AS awards_by_type,
                   e.base, e.multiplier, e.points, e.applied
            FROM score_entries AS e
            JOIN rulesets AS r USING (unit_id, ruleset_id)
            LEFT JOIN events AS v USING (unit_id, event_id)
            WHERE e.unit_id = $1 AND e.superseded_at IS NULL
        ) AS entries
        """,
        unit_id,
    )
    return f"{ledger} {surge_events}"
