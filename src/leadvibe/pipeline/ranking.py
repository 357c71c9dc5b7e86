"""Updates the score that lists sort leads by, after another ruleset becomes the primary one."""

from typing import Final

from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.jobs.queue import job
from leadvibe.core.scope import Scope, system_scope
from leadvibe.rulesets.messages import RankLeads
from leadvibe.rulesets.plans import lock_plans

LEADS_PER_TRANSACTION: Final = 1_000

LOCK_NEXT_LEADS: Final = """
SELECT lead_id FROM leads
WHERE unit_id = $1 AND lead_id > $2 AND merged_into IS NULL
ORDER BY lead_id LIMIT $3
FOR NO KEY UPDATE
"""

SET_SCORES: Final = """
UPDATE leads SET score = coalesce(total.score, 0)
FROM unnest($2::text[]) AS locked (lead_id)
LEFT JOIN lead_scores AS total
  ON total.unit_id = $1 AND total.lead_id = locked.lead_id AND total.ruleset_id = $3
WHERE leads.unit_id = $1 AND leads.lead_id = locked.lead_id AND leads.score <> coalesce(total.score, 0)
"""


@job(RankLeads)
async def rank_leads(message: RankLeads) -> None:
    """Set the scores lead by lead. Leads that are scored meanwhile already get the score of the new primary ruleset."""
    scope, after = system_scope(message.org_id, message.unit_id), ""
    while (last := await _rank_after(scope, after)) is not None:
        after = last


async def _rank_after(scope: Scope, after: str) -> str | None:
    """Set the scores of the leads that follow in the order of ids. Returns the last lead, or None after all leads."""
    async with transaction(scope) as session:
        connection = await raw(session)
        rows = await connection.fetch(LOCK_NEXT_LEADS, scope.unit_id, after, LEADS_PER_TRANSACTION)
        lead_ids = [row["lead_id"] for row in rows]
        primary = (await lock_plans(session, [scope.unit_id]))[scope.unit_id].primary
        await connection.execute(SET_SCORES, scope.unit_id, lead_ids, primary)
    return lead_ids[-1] if lead_ids else None
