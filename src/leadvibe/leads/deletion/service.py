"""Deletes a lead at once, and starts the job that removes its remaining traces."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.queries import among
from leadvibe.core.database.transactions import raw
from leadvibe.core.http.problems import NotFound
from leadvibe.core.jobs.queue import enqueue
from leadvibe.core.scope import Scope
from leadvibe.counts.counters import CounterChanges, update_counters
from leadvibe.events.models import Event
from leadvibe.identity.models import Alias, IdempotencyKey, Tombstone
from leadvibe.identity.tombstones import lead_digest
from leadvibe.leads.deletion.pending_aliases import AliasKey, find_pending_aliases
from leadvibe.leads.deletion.tasks import EraseTraces
from leadvibe.leads.merging.origins import lock_with_merged
from leadvibe.leads.models import Lead


@dataclass(frozen=True, slots=True)
class StartedDeletion:
    lead_id: str
    message: str = "Lead deletion initiated"


@dataclass(frozen=True, slots=True)
class DeletionStatus:
    lead_id: str
    status: str


class DeletionService:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def start(self, lead_id: str) -> StartedDeletion:
        """Delete the lead and the leads merged into it, in this one transaction, and enqueue the rest."""
        _, merged = await lock_with_merged(self.session, self.scope, [lead_id])
        lead_ids = [lead_id, *merged]
        connection = await raw(self.session)
        aliases = await self._aliases(lead_ids)
        aliases += sorted(await find_pending_aliases(connection, self.scope.unit_id, lead_ids, aliases))
        message = EraseTraces(
            self.scope.org_id, self.scope.unit_id, await database_now(self.session), lead_ids, aliases
        )
        await self._write_tombstones(message.digests, message.deleted_at)
        counter_changes = await self._counter_changes(lead_ids)
        for model in (IdempotencyKey, Lead):  # foreign keys delete the other rows of a lead
            rows = delete(model).where(model.unit_id == self.scope.unit_id, model.lead_id == among(lead_ids))
            await self.session.execute(rows.execution_options(synchronize_session=False))
        await update_counters(connection, counter_changes)
        await enqueue(self.session, message)
        return StartedDeletion(lead_id)

    async def status(self, lead_id: str) -> DeletionStatus:
        query = select(Tombstone.status).where(
            Tombstone.unit_id == self.scope.unit_id, Tombstone.digest == lead_digest(lead_id)
        )
        status = await self.session.scalar(query)
        if status is None:
            raise NotFound("No lead with this id was deleted in the active OU.")
        return DeletionStatus(lead_id, status)

    async def _counter_changes(self, lead_ids: Sequence[str]) -> CounterChanges:
        """One listed lead less, and the events of all of these leads less."""
        query = (
            select(Event.event_type, func.count())
            .where(Event.unit_id == self.scope.unit_id, Event.lead_id == among(lead_ids))
            .group_by(Event.event_type)
        )
        changes = CounterChanges(leads=Counter({self.scope.unit_id: -1}))
        counts = [(event_type, events) for event_type, events in await self.session.execute(query)]
        changes.remove_events(self.scope.unit_id, counts)
        return changes

    async def _aliases(self, lead_ids: Sequence[str]) -> list[AliasKey]:
        query = select(Alias.kind, Alias.value).where(
            Alias.unit_id == self.scope.unit_id, Alias.lead_id == among(lead_ids)
        )
        return [(kind, value) for kind, value in await self.session.execute(query)]

    async def _write_tombstones(self, digests: Collection[bytes], at: datetime) -> None:
        rows = [
            {"unit_id": self.scope.unit_id, "digest": digest, "status": "queued", "deleted_at": at}
            for digest in sorted(digests)
        ]
        new = insert(Tombstone)
        upsert = new.on_conflict_do_update(
            index_elements=["unit_id", "digest"],
            set_={"status": new.excluded.status, "deleted_at": new.excluded.deleted_at},
        )
        await self.session.execute(upsert, rows)
