"""Deletes events wherever they are, and scores their leads without them."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.queries import among
from leadvibe.core.database.transactions import raw
from leadvibe.core.http.problems import Unavailable
from leadvibe.core.ids import read
from leadvibe.core.scope import Scope
from leadvibe.counts.counters import CounterChanges, update_counters
from leadvibe.events.last_events import look_up_last_events
from leadvibe.events.models import Event, FailedEvent
from leadvibe.identity.models import IdempotencyKey
from leadvibe.ingest.claim import lock_routes
from leadvibe.ingest.inbox import ROUTES, AcceptedEvent
from leadvibe.ingest.models import InboxEvent
from leadvibe.ingest.unprocessed import try_decode
from leadvibe.pipeline.apply import lock_leads, publish_scores, replay_leads
from leadvibe.scores.models import ScoreEntry

NAMED: Final = """
SELECT aliases.kind, aliases.value, aliases.lead_id FROM aliases
JOIN unnest($2::text[], $3::text[]) AS named (kind, value)
  ON aliases.kind = named.kind AND aliases.value = named.value
WHERE aliases.unit_id = $1
"""


@dataclass(frozen=True, slots=True)
class Deleted:
    deleted: int


@dataclass(frozen=True, slots=True)
class Removed:
    """Events, and what the ledger said of them."""

    events: int
    entries: int


class EventDeletions:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def delete(self, ids: Iterable[str]) -> Deleted:
        event_ids = {event_id for event_id in (read("ev", text) for text in ids) if event_id is not None}
        if not event_ids:
            return Deleted(0)
        # In this order they go their way, so none slips through.
        find_unprocessed = await self.delete_unprocessed(event_ids)
        return Deleted(find_unprocessed + await self._processed(event_ids))

    async def delete_unprocessed(self, event_ids: Collection[UUID]) -> int:
        """Delete those of these events that wait or failed; how many they were."""
        return await self._waiting(event_ids) + await self._failed(event_ids)

    async def _waiting(self, event_ids: Collection[UUID]) -> int:
        routes = range(ROUTES)
        found = select(InboxEvent.route).where(*self._in_inbox(routes, event_ids)).distinct()
        routes = sorted(await self.session.scalars(found))
        if not routes:
            return 0
        await lock_routes(await raw(self.session), routes)
        gone = delete(InboxEvent).where(*self._in_inbox(routes, event_ids))
        return await self._use_keys(gone.returning(InboxEvent.event_id, InboxEvent.body))

    def _in_inbox(self, routes: Iterable[int], event_ids: Collection[UUID]) -> Sequence[ColumnElement[bool]]:
        return (
            InboxEvent.unit_id == self.scope.unit_id,
            InboxEvent.route.in_(routes),
            InboxEvent.event_id == _any_of(event_ids),
        )

    async def _failed(self, event_ids: Collection[UUID]) -> int:
        gone = delete(FailedEvent).where(
            FailedEvent.unit_id == self.scope.unit_id, FailedEvent.event_id == _any_of(event_ids)
        )
        return await self._use_keys(gone.returning(FailedEvent.event_id, FailedEvent.body))

    async def _use_keys(self, gone: Any) -> int:
        """Delete events that were not processed, whose keys nobody has used yet: whoever sends them again is late."""
        rows: Sequence[Any] = (await self.session.execute(gone.execution_options(synchronize_session=False))).all()
        read_events = [(row[0], event) for row in rows if (event := try_decode(row[1])) is not None]
        named = await self._named([event for _, event in read_events])
        keys = sorted(
            (event.idempotency_key, event_id, event.lead_id or _first(event, named))
            for event_id, event in read_events
            if event.idempotency_key is not None
        )
        for key, event_id, lead_id in keys:
            used = insert(IdempotencyKey).values(
                unit_id=self.scope.unit_id, key=key, event_id=event_id, lead_id=lead_id
            )
            await self.session.execute(used.on_conflict_do_nothing())
        return len(rows)

    async def _named(self, events: Iterable[AcceptedEvent]) -> dict[tuple[str, str], str]:
        """Whom the aliases of those that name no lead belong to: a key goes with its lead."""
        aliases = sorted(
            {(alias.kind, alias.value) for event in events if event.lead_id is None for alias in event.aliases}
        )
        rows = await (await raw(self.session)).fetch(
            NAMED, self.scope.unit_id, [kind for kind, _ in aliases], [value for _, value in aliases]
        )
        return {(row[0], row[1]): row[2] for row in rows}

    async def _processed(self, event_ids: Collection[UUID]) -> int:
        mine = (Event.unit_id == self.scope.unit_id) & (Event.event_id == _any_of(event_ids))
        lead_ids = sorted(await self.session.scalars(select(Event.lead_id).where(mine).distinct()))
        if not lead_ids:
            return 0
        removed = await self.remove(lead_ids, mine)
        if await self.session.scalar(select(func.count(Event.event_id)).where(mine)):
            raise Unavailable("These events went to another lead just now; try again.")
        return removed.events

    async def remove(self, lead_ids: Sequence[str], which: ColumnElement[bool]) -> Removed:
        """Delete these leads' processed events of which that holds, and score the leads without them."""
        # A merge may have left events with a lead that is scored no more.
        states = await lock_leads(self.session, self.scope.unit_id, [], also=lead_ids)
        gone = (
            delete(Event)
            .where(Event.unit_id == self.scope.unit_id, Event.lead_id == among(lead_ids), which)
            .returning(Event.event_id, Event.event_type)
        )
        deleted = (await self.session.execute(gone.execution_options(synchronize_session=False))).all()
        entries = await self.session.scalar(
            select(func.count())
            .where(ScoreEntry.unit_id == self.scope.unit_id, ScoreEntry.lead_id == among(lead_ids))
            .where(
                ScoreEntry.superseded_at.is_(None), ScoreEntry.event_id == _any_of([row.event_id for row in deleted])
            )
        )
        evolved = await replay_leads(self.session, states, await database_now(self.session))
        await look_up_last_events(self.session, self.scope.unit_id, lead_ids)
        tally = CounterChanges()
        tally.deleted(self.scope.unit_id, Counter(row.event_type for row in deleted).items())
        await update_counters(await raw(self.session), tally)
        await publish_scores(self.session, evolved)
        return Removed(len(deleted), entries or 0)


def _first(event: AcceptedEvent, named: Mapping[tuple[str, str], str]) -> str | None:
    names = (named.get((alias.kind, alias.value)) for alias in event.aliases)
    return next((lead_id for lead_id in names if lead_id is not None), None)


def _any_of(event_ids: Collection[UUID]) -> ColumnElement[Any]:
    return any_(literal(list(event_ids), ARRAY(Uuid)))
