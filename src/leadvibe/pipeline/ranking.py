"""Lets lists sort leads by another ruleset, once that one is the primary."""

from typing import Final

from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.jobs.queue import job
from leadvibe.core.scope import Scope, system_scope
from leadvibe.rulesets.messages import RankLeads
from leadvibe.rulesets.plans import lock_plans

SLICE: Final = 1_000

TAKE_NEXT: Final = """
SELECT lead_id FROM leads
WHERE unit_id = $1 AND lead_id > $2 AND merged_into IS NULL
ORDER BY lead_id LIMIT $3
FOR NO KEY UPDATE
"""

RANK: Final = """
UPDATE leads SET score = coalesce(total.score, 0)
FROM unnest($2::text[]) AS named (lead_id)
LEFT JOIN lead_scores AS total
  ON total.unit_id = $1 AND total.lead_id = named.lead_id AND total.ruleset_id = $3
WHERE leads.unit_id = $1 AND leads.lead_id = named.lead_id AND leads.score <> coalesce(total.score, 0)
"""


@job(RankLeads)
async def rank_leads(message: RankLeads) -> None:
    """Whoever is scored meanwhile is ranked by that; the others follow slice by slice."""
    scope, last = system_scope(message.org_id, message.unit_id), ""
    while (reached := await _rank_after(scope, last)) is not None:
        last = reached


async def _rank_after(scope: Scope, last: str) -> str | None:
    async with transaction(scope) as session:
        connection = await raw(session)
        lead_ids = [row[0] for row in await connection.fetch(TAKE_NEXT, scope.unit_id, last, SLICE)]
        primary = (await lock_plans(session, [scope.unit_id]))[scope.unit_id].primary
        await connection.execute(RANK, scope.unit_id, lead_ids, primary)
    return lead_ids[-1] if lead_ids else None
