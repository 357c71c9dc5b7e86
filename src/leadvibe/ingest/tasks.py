"""Deletes old answers of batches and imports."""

from leadvibe.config import settings
from leadvibe.core.jobs.queue import schedule
from leadvibe.ingest.requests import forget_answers


@schedule("23 * * * *")
async def prune_ingest_answers() -> None:
    """Delete answers that are too old to be repeated."""
    await forget_answers(settings().ingest_answer_lifetime)
