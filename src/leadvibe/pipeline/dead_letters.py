"""Dead letters: events that can't be processed move to `failed_events`, so that they don't block other events."""

from typing import Final

from leadvibe.core import metrics
from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.logs import summary
from leadvibe.ingest.claim import ClaimedEvent

MOVE: Final = """
WITH failed AS (DELETE FROM inbox WHERE route = $1 AND event_id = $2 RETURNING *)
INSERT INTO failed_events (unit_id, event_id, route, received_at, body, error)
SELECT unit_id, event_id, route, received_at, body, $3 FROM failed
"""

MAX_ERROR_LENGTH: Final = 2_000


async def move_to_failed_events(event: ClaimedEvent, error: Exception) -> None:
    """Move an event from the inbox to the failed events, with the first line of its error."""
    # One line, because PostgreSQL's error detail may quote another lead's data.
    reason = summary(error).replace("\x00", "")[:MAX_ERROR_LENGTH]
    async with transaction(None) as session:
        connection = await raw(session)
        await connection.execute(MOVE, event.route, event.event_id, reason)
    metrics.EVENTS_FAILED.inc()
