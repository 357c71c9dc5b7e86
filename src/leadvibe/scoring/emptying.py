"""Empties the inbox batch by batch, whatever fails on the way."""

from functools import partial

import structlog

from leadvibe.config import settings
from leadvibe.core.transience import is_transient
from leadvibe.scoring.batch import Batch, Claim, work
from leadvibe.scoring.claim import Waiting, claim, claim_one
from leadvibe.scoring.identify import LeadKey, StartOver
from leadvibe.scoring.poison import set_aside

log = structlog.get_logger()


async def take_batch(limit: int | None = None) -> int:
    """Process one batch, by default as large as the settings say; how many events it took, 0 when all are held.

    A failure that passes is raised, and nothing has happened. One that would repeat itself is looked for event by
    event, and the events that cause it are set aside.
    """
    batch = Batch()
    try:
        await _settle(partial(claim, limit=limit or settings().worker_batch_events), batch)
    except Exception as error:
        if is_transient(error) or not batch.claimed:
            raise
        log.warning("batch failed, trying its events one by one", events=len(batch.claimed), exc_info=error)
        for waiting in batch.claimed:
            await _take_one(waiting)
    return len(batch.claimed)


async def _settle(take: Claim, batch: Batch) -> None:
    """Work until no identity changes under our hands."""
    redirects: dict[LeadKey, str] = {}
    while True:
        try:
            return await work(take, batch, redirects)
        except StartOver as change:
            redirects |= change.redirects


async def _take_one(waiting: Waiting) -> None:
    try:
        await _settle(partial(claim_one, route=waiting.route, event_id=waiting.event_id), Batch())
    except Exception as error:
        if is_transient(error):
            raise
        log.exception("event set aside", event_id=str(waiting.event_id), unit_id=waiting.unit_id)
        await set_aside(waiting, error)
