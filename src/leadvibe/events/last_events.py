"""A lead's last event, as lists show it: looked up anew where events went away or came from elsewhere."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import raw

LOOK_AGAIN: Final = """
UPDATE leads SET last_event_at = last.occurred_at, last_event_type = last.event_type
FROM unnest($2::text[]) AS named (lead_id) LEFT JOIN LATERAL (
    SELECT events.occurred_at, events.event_type FROM events
    WHERE events.unit_id = $1 AND events.lead_id = named.lead_id
    ORDER BY events.occurred_at DESC, events.event_type DESC LIMIT 1
) AS last ON true
WHERE leads.unit_id = $1 AND leads.lead_id = named.lead_id
"""


async def look_up_last_events(session: AsyncSession, unit_id: str, lead_ids: Sequence[str]) -> None:
    connection = await raw(session)
    await connection.execute(LOOK_AGAIN, unit_id, lead_ids)
