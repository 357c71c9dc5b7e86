"""Deletes all events of a type, a few leads a transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import transaction
from leadvibe.core.jobs.progress import Progress, tracked_job
from leadvibe.core.scope import Scope
from leadvibe.counts.repository import CountRepository
from leadvibe.events.deletion.service import EventDeletions
from leadvibe.events.models import Event
from leadvibe.events.types.repository import EventTypeSettings
from leadvibe.ingest.unprocessed import find_unprocessed

LEADS_AT_ONCE: Final = 25
"""Few: an event of one of these waits until all of them are done."""


@dataclass(frozen=True, slots=True)
class DeleteEventsOfType:
    """Delete an OU's events of a type that were received at that instant or before."""

    event_type: str
    received_until: datetime


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """How far a deletion is: the last lead it is done with, what it has deleted."""

    after: str = ""
    events: int = 0
    entries: int = 0


@tracked_job(DeleteEventsOfType, kind="event_type_deletion")
async def delete_events_of_type(message: DeleteEventsOfType, progress: Progress) -> dict[str, Any]:
    """In the order of the leads' ids; a run that was broken off goes on after its last commit."""
    cursor = Cursor() if progress.cursor is None else msgspec.json.decode(progress.cursor, type=Cursor)
    cursor = await _delete_unprocessed(message, progress, cursor)
    total = cursor.events + await _count(message, progress.scope)
    while (following := await _delete_some(message, progress, cursor, total)) is not None:
        cursor = following
    await _forget(message, progress.scope)
    return {"events_deleted": cursor.events, "event_scores_deleted": cursor.entries}


async def _forget(message: DeleteEventsOfType, scope: Scope) -> None:
    """Forget the type, and remember it if newer events have come: to look for them takes long, and workers wait."""
    async with transaction(scope) as session:
        await EventTypeSettings(session, scope).forget(message.event_type)
    async with transaction(scope) as session:
        await EventTypeSettings(session, scope).remember(message.event_type)


async def _delete_unprocessed(message: DeleteEventsOfType, progress: Progress, cursor: Cursor) -> Cursor:
    """What waits or failed goes first: what a worker takes meanwhile is found among the processed ones then."""
    scope = progress.scope
    found = find_unprocessed(scope, message.received_until, lambda event: event.event_type == message.event_type)
    async for event_ids in found:
        async with transaction(scope) as session:
            deleted = await EventDeletions(session, scope).delete_unprocessed(event_ids)
            cursor = replace(cursor, events=cursor.events + deleted)
            await _report(progress, session, cursor, None)
    return cursor


async def _delete_some(message: DeleteEventsOfType, progress: Progress, cursor: Cursor, total: int) -> Cursor | None:
    scope, mine = progress.scope, _mine(message, progress.scope)
    async with transaction(scope) as session:
        query = select(Event.lead_id).where(mine, Event.lead_id > cursor.after).distinct()
        lead_ids = list(await session.scalars(query.order_by(Event.lead_id).limit(LEADS_AT_ONCE)))
        if not lead_ids:
            # Once more from the beginning, until nothing is found: a merge may have moved events behind our back.
            return replace(cursor, after="") if cursor.after else None
        removed = await EventDeletions(session, scope).remove(lead_ids, mine)
        following = Cursor(lead_ids[-1], cursor.events + removed.events, cursor.entries + removed.entries)
        await _report(progress, session, following, max(total, following.events))
    return following


async def _report(progress: Progress, session: AsyncSession, cursor: Cursor, total: int | None) -> None:
    # The progress is another's row: nobody waits for it but who looks at the job.
    text = msgspec.json.encode(cursor).decode()
    await progress.report(session, done=cursor.events, total=total, cursor=text)


async def _count(message: DeleteEventsOfType, scope: Scope) -> int:
    async with transaction(scope) as session:
        return await CountRepository(session, scope).events(message.event_type)


def _mine(message: DeleteEventsOfType, scope: Scope) -> ColumnElement[bool]:
    return and_(
        Event.unit_id == scope.unit_id,
        Event.event_type == message.event_type,
        Event.received_at <= message.received_until,
    )
