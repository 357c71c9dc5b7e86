"""Sets an event aside that can't be processed, so that it holds up nothing and is not lost."""

from typing import Final

from leadvibe.core import telemetry
from leadvibe.core.db import raw, transaction
from leadvibe.core.logs import summary
from leadvibe.scoring.claim import Waiting

SET_ASIDE: Final = """
WITH poison AS (DELETE FROM inbox WHERE route = $1 AND event_id = $2 RETURNING *)
INSERT INTO failed_events (unit_id, event_id, route, received_at, body, error)
SELECT unit_id, event_id, route, received_at, body, $3 FROM poison
"""

ERROR_LENGTH: Final = 2_000


async def set_aside(waiting: Waiting, error: Exception) -> None:
    """Move an event from the inbox to the failed ones, with its error."""
    # One line: PostgreSQL's detail may quote what another lead has.
    reason = summary(error).replace("\x00", "")[:ERROR_LENGTH]
    async with transaction(None) as session:
        connection = await raw(session)
        await connection.execute(SET_ASIDE, waiting.route, waiting.event_id, reason)
    telemetry.EVENTS_FAILED.inc()
