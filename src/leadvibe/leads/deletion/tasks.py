"""The job that removes the remaining traces of a deleted lead from queues, files, jobs and the stream."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial

import msgspec
from msgspec.structs import replace
from sqlalchemy import delete, or_, select, update
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
from leadvibe.ingest.requests import redact_answers
from leadvibe.ingest.unprocessed import rewrite_failed, rewrite_inbox
from leadvibe.leads.deletion.jobs import remove_from_jobs, remove_from_simulations
from leadvibe.leads.importing.redaction import redact_files, redact_results
from leadvibe.leads.models import TimelineEntry
from leadvibe.units.models import OrgUnit

MAX_ATTEMPTS = 10


@dataclass(frozen=True)
class EraseTraces:
    """Remove the traces of a lead, and of the leads merged into it, that were deleted at this instant."""

    org_id: str
    unit_id: str
    deleted_at: datetime
    lead_ids: list[str]
    aliases: list[tuple[str, str]]
    """Kind and normalized value."""

    @property
    def scope(self) -> Scope:
        return system_scope(self.org_id, self.unit_id)

    @cached_property
    def digests(self) -> frozenset[bytes]:
        """The digests of the tombstones."""
        leads = (lead_digest(lead_id) for lead_id in self.lead_ids)
        return frozenset((*leads, *(alias_digest(kind, value) for kind, value in self.aliases)))

    @cached_property
    def alias_keys(self) -> frozenset[tuple[str, str]]:
        return frozenset((kind, value) for kind, value in self.aliases)

    @cached_property
    def alias_kinds(self) -> list[AliasKind]:
        kinds = {kind for kind, _ in self.aliases}
        return [kind for kind in STRENGTH if kind in kinds]

    def identifies(self, phone_region: str | None, text: str) -> bool:
        """Whether a text is an id of the deleted lead, or one of its aliases read as any of their kinds."""
        return text.strip() in self.lead_ids or any(
            (kind, _normalized(kind, text, phone_region)) in self.alias_keys for kind in self.alias_kinds
        )

    def redact(self, event: AcceptedEvent) -> AcceptedEvent | None:
        """The event without the identifiers of the deleted lead; None if the event belongs to that lead."""
        identifiers = surviving_identifiers(event.lead_id, event.aliases, self.digests.__contains__)
        if identifiers is None:
            return None
        return event if len(identifiers) == len(event.aliases) else replace(event, aliases=identifiers)


def _normalized(kind: AliasKind, text: str, phone_region: str | None) -> str | None:
    try:
        return normalize(kind, text, phone_region)
    except ValueError:
        return None


async def erase_traces(message: EraseTraces) -> None:
    """Every step can be repeated without harm, so a retry starts from the beginning."""
    await _set_status(message, "running")
    await rewrite_inbox(message.scope, message.deleted_at, message.redact)
    await rewrite_failed(message.scope, message.deleted_at, message.redact)
    async with transaction(message.scope) as session:
        region = await session.scalar(select(OrgUnit.phone_region).where(OrgUnit.unit_id == message.unit_id))
    identifies = partial(message.identifies, region)
    await redact_files(message.scope, message.deleted_at, identifies)
    await redact_results(message.scope, identifies)
    await redact_answers(message.scope, message.deleted_at)
    async with transaction(message.scope) as session:
        await remove_from_jobs(session, message.scope, message.lead_ids)
        await remove_from_simulations(session, message.scope, message.lead_ids)
    async with transaction(message.scope) as session:
        await _delete_alias_conflicts(session, message)
        for lead_id in message.lead_ids:
            await redact_frames(session, message.unit_id, b'"lead_id":' + msgspec.json.encode(lead_id))
    await _set_status(message, "completed")


async def _delete_alias_conflicts(session: AsyncSession, message: EraseTraces) -> None:
    """Delete the entries on other leads' timelines that name the deleted lead as holder or claimant of an alias."""
    holder, claimant = (TimelineEntry.data[name].astext for name in ("holder", "claimant"))
    await session.execute(
        delete(TimelineEntry)
        .where(TimelineEntry.unit_id == message.unit_id, TimelineEntry.kind == "alias_conflict")
        .where(or_(holder == among(message.lead_ids), claimant == among(message.lead_ids)))
        .execution_options(synchronize_session=False)
    )


async def _mark_failed(message: EraseTraces, _error: Exception) -> None:
    await _set_status(message, "failed")


async def _set_status(message: EraseTraces, status: str) -> None:
    """Set the status of the tombstones, unless a later deletion of the same lead has taken them over."""
    async with transaction(message.scope) as session:
        for digest in sorted(message.digests):
            await session.execute(
                update(Tombstone)
                .where(Tombstone.unit_id == message.unit_id, Tombstone.digest == digest)
                .where(Tombstone.deleted_at == message.deleted_at)
                .values(status=status)
            )


register(
    EraseTraces.__name__, Registration(EraseTraces, erase_traces, _mark_failed, MAX_ATTEMPTS, timedelta(seconds=1))
)
