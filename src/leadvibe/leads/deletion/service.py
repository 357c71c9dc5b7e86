"""Deletes a lead at once; what is left of it elsewhere is erased by a job."""

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
from leadvibe.leads.deletion.pending_aliases import pending_aliases
from leadvibe.leads.deletion.tasks import EraseTraces
from leadvibe.leads.merging.origins import hold_whole
from leadvibe.leads.models import Lead


@dataclass(frozen=True, slots=True)
class Started:
    lead_id: str
    message: str = "Lead deletion initiated"


@dataclass(frozen=True, slots=True)
class Deletion:
    lead_id: str
    status: str


class Deletions:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def start(self, lead_id: str) -> Started:
        """In one transaction, so that nobody sees half a lead and what comes afterwards meets none."""
        _, merged = await hold_whole(self.session, self.scope, [lead_id])
        lead_ids = [lead_id, *merged]
        aliases = await self._aliases(lead_ids)
        aliases += sorted(await pending_aliases(await raw(self.session), self.scope.unit_id, lead_ids, aliases))
        names = EraseTraces(
            self.scope.org_id,
            self.scope.unit_id,
            await database_now(self.session),
            lead_ids,
            aliases,
        )
        await self._bury(names.digests, names.deleted_at)
        tally = await self._tally(lead_ids)
        for model in (IdempotencyKey, Lead):  # the rest goes with the leads
            gone = delete(model).where(model.unit_id == self.scope.unit_id, model.lead_id == among(lead_ids))
            await self.session.execute(gone.execution_options(synchronize_session=False))
        await update_counters(await raw(self.session), tally)
        await enqueue(self.session, names)
        return Started(lead_id)

    async def of(self, lead_id: str) -> Deletion:
        query = select(Tombstone.status).where(
            Tombstone.unit_id == self.scope.unit_id, Tombstone.digest == lead_digest(lead_id)
        )
        status = await self.session.scalar(query)
        if status is None:
            raise NotFound("No lead of this id was ever deleted here.")
        return Deletion(lead_id, status)

    async def _tally(self, lead_ids: Sequence[str]) -> CounterChanges:
        """One lead that was listed goes, and the events of all."""
        query = (
            select(Event.event_type, func.count())
            .where(Event.unit_id == self.scope.unit_id, Event.lead_id == among(lead_ids))
            .group_by(Event.event_type)
        )
        tally = CounterChanges(leads=Counter({self.scope.unit_id: -1}))
        tally.remove_events(self.scope.unit_id, [(row[0], row[1]) for row in await self.session.execute(query)])
        return tally

    async def _aliases(self, lead_ids: Sequence[str]) -> list[tuple[str, str]]:
        query = select(Alias.kind, Alias.value).where(
            Alias.unit_id == self.scope.unit_id, Alias.lead_id == among(lead_ids)
        )
        return [(kind, value) for kind, value in await self.session.execute(query)]

    async def _bury(self, digests: Collection[bytes], at: datetime) -> None:
        rows = [
            {"unit_id": self.scope.unit_id, "digest": digest, "status": "queued", "deleted_at": at}
            for digest in sorted(digests)
        ]
        new = insert(Tombstone)
        again = new.on_conflict_do_update(
            index_elements=["unit_id", "digest"],
            set_={"status": new.excluded.status, "deleted_at": new.excluded.deleted_at},
        )
        await self.session.execute(again, rows)
