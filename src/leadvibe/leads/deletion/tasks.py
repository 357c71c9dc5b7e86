"""Erases what is left of a deleted lead outside its own rows: in queues, files and jobs, on the stream."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import msgspec
from msgspec.structs import replace
from sqlalchemy import delete, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.queries import among
from leadvibe.core.database.transactions import transaction
from leadvibe.core.jobs.queue import Registration, register
from leadvibe.core.scope import Scope, system_scope
from leadvibe.core.stream.frames import redact_frames
from leadvibe.identity.aliases import STRENGTH, AliasKind, normalize
from leadvibe.identity.models import Tombstone
from leadvibe.identity.tombstones import alias_digest, lead_digest, surviving_identifiers
from leadvibe.ingest.inbox import AcceptedEvent
from leadvibe.ingest.unprocessed import rewrite_failed, rewrite_inbox
from leadvibe.leads.deletion.jobs import forget_in_jobs
from leadvibe.leads.importing.redaction import erase_from_files, erase_from_imports
from leadvibe.leads.models import TimelineEntry


@dataclass(frozen=True)
class EraseTraces:
    """What a lead that was deleted at this instant, and those that went into it, were known by."""

    org_id: str
    unit_id: str
    deleted_at: datetime
    lead_ids: list[str]
    aliases: list[tuple[str, str]]

    @property
    def scope(self) -> Scope:
        return system_scope(self.org_id, self.unit_id)

    @cached_property
    def digests(self) -> frozenset[bytes]:
        leads = (lead_digest(lead_id) for lead_id in self.lead_ids)
        return frozenset((*leads, *(alias_digest(kind, value) for kind, value in self.aliases)))

    @cached_property
    def names(self) -> frozenset[tuple[str, str]]:
        return frozenset((kind, value) for kind, value in self.aliases)

    @cached_property
    def kinds(self) -> list[AliasKind]:
        known = {kind for kind, _ in self.aliases}
        return [kind for kind in STRENGTH if kind in known]

    def named_by(self, cell: str) -> bool:
        """Whether it is an id of the lead, or one of its aliases."""
        return cell.strip() in self.lead_ids or any((kind, _compared(kind, cell)) in self.names for kind in self.kinds)

    def left_of(self, event: AcceptedEvent) -> AcceptedEvent | None:
        identifiers = surviving_identifiers(event.lead_id, event.aliases, self.digests.__contains__)
        if identifiers is None:
            return None
        return event if len(identifiers) == len(event.aliases) else replace(event, aliases=identifiers)


def _compared(kind: AliasKind, cell: str) -> str | None:
    try:
        return normalize(kind, cell)
    except ValueError:
        return None


async def erase_traces(traces: EraseTraces) -> None:
    """Each step is done when it was done once, so a run that was broken off begins again."""
    await _note(traces, "running")
    await rewrite_inbox(traces.scope, traces.deleted_at, traces.left_of)
    await rewrite_failed(traces.scope, traces.deleted_at, traces.left_of)
    await erase_from_files(traces.scope, traces.deleted_at, traces.named_by)
    await erase_from_imports(traces.scope, traces.named_by)
    async with transaction(traces.scope) as session:
        await forget_in_jobs(session, traces.scope, traces.lead_ids)
    async with transaction(traces.scope) as session:
        await _forget_conflicts(session, traces)
        for lead_id in traces.lead_ids:
            await redact_frames(session, traces.unit_id, b'"lead_id":' + msgspec.json.encode(lead_id))
    await _note(traces, "completed")


async def _forget_conflicts(session: AsyncSession, traces: EraseTraces) -> None:
    """Other leads' timelines tell with whom they contended for an alias."""
    holder, claimant = (TimelineEntry.data[name].astext for name in ("holder", "claimant"))
    await session.execute(
        delete(TimelineEntry)
        .where(TimelineEntry.unit_id == traces.unit_id, TimelineEntry.kind == "alias_conflict")
        .where(or_(holder == among(traces.lead_ids), claimant == among(traces.lead_ids)))
        .execution_options(synchronize_session=False)
    )


async def _give_up(traces: EraseTraces, _error: Exception) -> None:
    await _note(traces, "failed")


async def _note(traces: EraseTraces, status: str) -> None:
    """Unless it was deleted once more meanwhile: that is told of then."""
    async with transaction(traces.scope) as session:
        for digest in sorted(traces.digests):
            await session.execute(
                update(Tombstone)
                .where(Tombstone.unit_id == traces.unit_id, Tombstone.digest == digest)
                .where(Tombstone.deleted_at == traces.deleted_at)
                .values(status=status)
            )


register(EraseTraces.__name__, Registration(EraseTraces, erase_traces, _give_up, 10, timedelta(seconds=1)))
