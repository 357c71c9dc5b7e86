"""Deletes old stream frames."""

from leadvibe.config import settings
from leadvibe.core.database.transactions import transaction
from leadvibe.core.jobs.queue import schedule
from leadvibe.core.stream.frames import prune


@schedule("*/5 * * * *")
async def prune_stream_frames() -> None:
    """Delete frames that are too old to resume from."""
    async with transaction(None) as session:
        await prune(session, settings().frame_lifetime)
