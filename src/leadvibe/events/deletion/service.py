"""Deletes processed and unprocessed events, and recomputes the scores of their leads."""

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
from leadvibe.events.last_events import update_last_events
from leadvibe.events.models import Event, FailedEvent
from leadvibe.identity.models import IdempotencyKey
from leadvibe.ingest.claim import lock_routes
from leadvibe.ingest.inbox import ROUTES, AcceptedEvent
from leadvibe.ingest.models import InboxEvent
from leadvibe.ingest.unprocessed import try_decode
from leadvibe.pipeline.apply import lock_leads, publish_scores, replay_leads
from leadvibe.scores.models import ScoreEntry
from leadvibe.scores.system_rows import find_system_rows

READ_ALIASES: Final = """
SELECT aliases.kind, aliases.value, aliases.lead_id FROM aliases
JOIN unnest($2::text[], $3::text[]) AS requested (kind, value)
  ON aliases.kind = requested.kind AND aliases.value = requested.value
WHERE aliases.unit_id = $1
"""


NOUNS: Final = {
    "DECAY": "a decay step",
    "score_adjusted": "an adjustment",
    "score_reset": "a reset",
    "score_lifted": "a lift of negative scores",
    "lead_merged": "a merge",
    "alias_conflict": "an alias conflict",
}
"""What the rows of a timeline that are no events are called, by their type."""


@dataclass(frozen=True, slots=True)
class Deleted:
    deleted: int
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Removed:
    """How many events were deleted, and how many current ledger entries scored them."""

    events: int
    entries: int


class EventDeletions:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def delete(self, ids: Sequence[str]) -> Deleted:
        read_ids = [read("ev", text) for text in ids]
        event_ids = {event_id for event_id in read_ids if event_id is not None}
        if not event_ids:
            return Deleted(0)
        others = await find_system_rows(self.session, self.scope, event_ids)
        # Events move from unprocessed to processed, so in this order none is missed.
        unprocessed = await self.delete_unprocessed(event_ids)
        warnings = [
            f"ids.{number}: {ids[number]} is {NOUNS[others[row_id].event_type]} and no event, so it was not deleted"
            for number, row_id in enumerate(read_ids)
            if row_id is not None and row_id in others
        ]
        return Deleted(unprocessed + await self._delete_processed(event_ids), warnings)

    async def delete_unprocessed(self, event_ids: Collection[UUID]) -> int:
        """Delete the unprocessed ones among these events, and return their number."""
        return await self._delete_from_inbox(event_ids) + await self._delete_failed(event_ids)

    async def _delete_from_inbox(self, event_ids: Collection[UUID]) -> int:
        routes = range(ROUTES)
        found = select(InboxEvent.route).where(*self._in_inbox(routes, event_ids)).distinct()
        routes = sorted(await self.session.scalars(found))
        if not routes:
            return 0
        await lock_routes(await raw(self.session), routes)
        deletion = delete(InboxEvent).where(*self._in_inbox(routes, event_ids))
        return await self._delete_and_use_keys(deletion.returning(InboxEvent.event_id, InboxEvent.body))

    def _in_inbox(self, routes: Iterable[int], event_ids: Collection[UUID]) -> Sequence[ColumnElement[bool]]:
        return (
            InboxEvent.unit_id == self.scope.unit_id,
            InboxEvent.route.in_(routes),
            InboxEvent.event_id == _any_of(event_ids),
        )

    async def _delete_failed(self, event_ids: Collection[UUID]) -> int:
        deletion = delete(FailedEvent).where(
            FailedEvent.unit_id == self.scope.unit_id, FailedEvent.event_id == _any_of(event_ids)
        )
        return await self._delete_and_use_keys(deletion.returning(FailedEvent.event_id, FailedEvent.body))

    async def _delete_and_use_keys(self, deletion: Any) -> int:
        """Delete unprocessed events, and record the leads of their idempotency keys, as processing would have done."""
        rows: Sequence[Any] = (await self.session.execute(deletion.execution_options(synchronize_session=False))).all()
        events = [(row.event_id, event) for row in rows if (event := try_decode(row.body)) is not None]
        leads = await self._leads_of_aliases([event for _, event in events])
        keys = sorted(
            (event.idempotency_key, event_id, event.lead_id or _lead_of(event, leads))
            for event_id, event in events
            if event.idempotency_key is not None
        )
        for key, event_id, lead_id in keys:
            used = insert(IdempotencyKey).values(
                unit_id=self.scope.unit_id, key=key, event_id=event_id, lead_id=lead_id
            )
            # The key was claimed when the event was accepted, unless an earlier version accepted it.
            upsert = used.on_conflict_do_update(
                index_elements=["unit_id", "key"],
                set_={"lead_id": used.excluded.lead_id},
                where=IdempotencyKey.event_id == used.excluded.event_id,
            )
            await self.session.execute(upsert)
        return len(rows)

    async def _leads_of_aliases(self, events: Iterable[AcceptedEvent]) -> dict[tuple[str, str], str]:
        """The leads of the aliases of events without a lead id. A key is deleted with its lead, so it needs one."""
        aliases = sorted(
            {(alias.kind, alias.value) for event in events if event.lead_id is None for alias in event.aliases}
        )
        rows = await (await raw(self.session)).fetch(
            READ_ALIASES, self.scope.unit_id, [kind for kind, _ in aliases], [value for _, value in aliases]
        )
        return {(kind, value): lead_id for kind, value, lead_id in rows}

    async def _delete_processed(self, event_ids: Collection[UUID]) -> int:
        matching = (Event.unit_id == self.scope.unit_id) & (Event.event_id == _any_of(event_ids))
        lead_ids = sorted(await self.session.scalars(select(Event.lead_id).where(matching).distinct()))
        if not lead_ids:
            return 0
        removed = await self.remove(lead_ids, matching)
        if await self.session.scalar(select(func.count(Event.event_id)).where(matching)):
            raise Unavailable("A merge moved these events to another lead just now. Try again.")
        return removed.events

    async def remove(self, lead_ids: Sequence[str], condition: ColumnElement[bool]) -> Removed:
        """Delete the processed events of these leads that meet a condition, and recompute the scores of the leads."""
        # A merge may have left events with a merged lead, which is not scored.
        states = await lock_leads(self.session, self.scope.unit_id, [], also=lead_ids)
        deletion = (
            delete(Event)
            .where(Event.unit_id == self.scope.unit_id, Event.lead_id == among(lead_ids), condition)
            .returning(Event.event_id, Event.event_type)
        )
        deleted = (await self.session.execute(deletion.execution_options(synchronize_session=False))).all()
        entries = await self.session.scalar(
            select(func.count())
            .where(ScoreEntry.unit_id == self.scope.unit_id, ScoreEntry.lead_id == among(lead_ids))
            .where(
                ScoreEntry.superseded_at.is_(None), ScoreEntry.event_id == _any_of([row.event_id for row in deleted])
            )
        )
        projected = await replay_leads(self.session, states, await database_now(self.session))
        await update_last_events(self.session, self.scope.unit_id, lead_ids)
        changes = CounterChanges()
        changes.remove_events(self.scope.unit_id, Counter(row.event_type for row in deleted).items())
        await update_counters(await raw(self.session), changes)
        await publish_scores(self.session, projected)
        return Removed(len(deleted), entries or 0)


def _lead_of(event: AcceptedEvent, leads: Mapping[tuple[str, str], str]) -> str | None:
    """The lead of the strongest known alias."""
    lead_ids = (leads.get((alias.kind, alias.value)) for alias in event.aliases)
    return next((lead_id for lead_id in lead_ids if lead_id is not None), None)


def _any_of(event_ids: Collection[UUID]) -> ColumnElement[Any]:
    return any_(literal(list(event_ids), ARRAY(Uuid)))
