"""Updates the last event that lists show for a lead, after events were deleted or moved between leads."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import raw

SET_LAST_EVENTS: Final = """
UPDATE leads SET last_event_at = last.occurred_at, last_event_type = last.event_type
FROM unnest($2::text[]) AS changed (lead_id) LEFT JOIN LATERAL (
    SELECT events.occurred_at, events.event_type FROM events
    WHERE events.unit_id = $1 AND events.lead_id = changed.lead_id
    ORDER BY events.occurred_at DESC, events.event_type DESC LIMIT 1
) AS last ON true
WHERE leads.unit_id = $1 AND leads.lead_id = changed.lead_id
"""


async def update_last_events(session: AsyncSession, unit_id: str, lead_ids: Sequence[str]) -> None:
    connection = await raw(session)
    await connection.execute(SET_LAST_EVENTS, unit_id, lead_ids)
