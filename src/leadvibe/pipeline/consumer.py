"""The inbox consumer: processes the inbox batch by batch, and isolates the events that make a batch fail."""

import asyncio
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Final

import structlog

from leadvibe.config import settings
from leadvibe.core.transient import is_transient
from leadvibe.identity.locks import until_stable
from leadvibe.ingest.claim import ClaimedEvent, claim, claim_one, claim_one_route
from leadvibe.pipeline.batch import Batch, Claim, process_batch
from leadvibe.pipeline.dead_letters import move_to_failed_events

log = structlog.get_logger()

SLOW_ROUTE_SECONDS: Final = 60.0
"""How long a route counts as slow after its last slow replay."""


class SlowRoutes:
    """The routes of leads with long histories that got late events. Other leads must not wait for their replays.

    Only one task at a time claims from a slow route, and from no other route. Late events that arrive meanwhile are
    handled by one replay.
    """

    def __init__(self) -> None:
        self.until: dict[int, float] = {}
        self.reserved = False

    @property
    def routes(self) -> list[int]:
        now = monotonic()
        self.until = {route: until for route, until in self.until.items() if until > now}
        return list(self.until)

    def add(self, routes: Iterable[int]) -> None:
        self.until |= dict.fromkeys(routes, monotonic() + SLOW_ROUTE_SECONDS)

    @contextmanager
    def reserve(self) -> Generator[list[int]]:
        """The slow routes to choose from; none while another task has reserved them."""
        routes = [] if self.reserved else self.routes
        if not routes:
            yield []
            return
        self.reserved = True
        try:
            yield routes
        finally:
            self.reserved = False


_slow_routes = SlowRoutes()


async def consume_batch(limit: int | None = None) -> int:
    """Process one batch of at most `limit` events (default: the setting `worker_batch_events`).

    Returns the number of claimed events. It is 0 if the inbox is empty or other workers have locked all routes.
    Raises transient errors, after which nothing has changed. After any other error the events are processed one by one,
    and those that fail again become failed events.
    """
    limit = limit or settings().worker_batch_events
    with _slow_routes.reserve() as routes:
        began = monotonic()
        if routes and (claimed := await _consume(partial(claim_one_route, limit=limit, routes=routes))):
            # Leave other leads as much time as this took. Late events that arrive meanwhile share one replay.
            await asyncio.sleep(monotonic() - began)
            return claimed
    return await _consume(partial(claim, limit=limit, excluded=_slow_routes.routes))


async def _consume(claim: Claim) -> int:
    batch = Batch()
    try:
        await until_stable(partial(process_batch, claim, batch))
    except Exception as error:
        if is_transient(error) or not batch.claimed:
            raise
        log.warning("batch failed; retrying its events one by one", events=len(batch.claimed), exc_info=error)
        for event in batch.claimed:
            await _consume_one(event)
    _slow_routes.add(batch.slow_routes)
    return len(batch.claimed)


async def _consume_one(event: ClaimedEvent) -> None:
    claim = partial(claim_one, route=event.route, event_id=event.event_id)
    try:
        await until_stable(partial(process_batch, claim, Batch()))
    except Exception as error:
        if is_transient(error):
            raise
        log.exception("event failed", event_id=str(event.event_id), unit_id=event.unit_id)
        await move_to_failed_events(event, error)
