"""Empties the inbox batch by batch, whatever fails on the way."""

import asyncio
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Final

import structlog

from leadvibe.config import settings
from leadvibe.core.transience import is_transient
from leadvibe.scoring.batch import Batch, Claim, work
from leadvibe.scoring.claim import Waiting, claim, claim_apart, claim_one
from leadvibe.scoring.identify import LeadKey, StartOver
from leadvibe.scoring.poison import set_aside

log = structlog.get_logger()


APART_SECONDS: Final = 60.0


class Apart:
    """The routes on which a lead with a long history got late events: nobody else shall wait for its replays.

    They are claimed apart, one alone and by one hand at a time. While that hand replays, what is late next gathers,
    and is one replay again.
    """

    def __init__(self) -> None:
        self.until: dict[int, float] = {}
        self.taken = False

    @property
    def routes(self) -> list[int]:
        now = monotonic()
        self.until = {route: until for route, until in self.until.items() if until > now}
        return list(self.until)

    def learn(self, routes: Iterable[int]) -> None:
        self.until |= dict.fromkeys(routes, monotonic() + APART_SECONDS)

    @contextmanager
    def turn(self) -> Generator[list[int]]:
        """The routes to choose from; none while another hand has one."""
        routes = [] if self.taken else self.routes
        if not routes:
            yield []
            return
        self.taken = True
        try:
            yield routes
        finally:
            self.taken = False


_apart = Apart()


async def take_batch(limit: int | None = None) -> int:
    """Process one batch, by default as large as the settings say; how many events it took, 0 when all are held.

    A failure that passes is raised, and nothing has happened. One that would repeat itself is looked for event by
    event, and the events that cause it are set aside.
    """
    limit = limit or settings().worker_batch_events
    with _apart.turn() as routes:
        began = monotonic()
        if routes and (taken := await _take(partial(claim_apart, limit=limit, routes=routes))):
            # As long again for everybody else; what is late meanwhile is one replay.
            await asyncio.sleep(monotonic() - began)
            return taken
    return await _take(partial(claim, limit=limit, but=_apart.routes))


async def _take(take: Claim) -> int:
    batch = Batch()
    try:
        await _settle(take, batch)
    except Exception as error:
        if is_transient(error) or not batch.claimed:
            raise
        log.warning("batch failed, trying its events one by one", events=len(batch.claimed), exc_info=error)
        for waiting in batch.claimed:
            await _take_one(waiting)
    _apart.learn(batch.long)
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
