"""Deletes all events of a type, a few leads per transaction."""

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

LEADS_PER_TRANSACTION: Final = 25
"""Few, because new events of these leads wait until the transaction ends."""


@dataclass(frozen=True, slots=True)
class DeleteEventsOfType:
    """Delete an OU's events of a type that were received at `received_until` or before."""

    event_type: str
    received_until: datetime


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """The progress of a deletion: the last finished lead, and how much was deleted."""

    after: str = ""
    events: int = 0
    entries: int = 0


@tracked_job(
    DeleteEventsOfType,
    kind="event_type_deletion",
    cancelling="A deletion of events can't be cancelled: the events that it has deleted are gone.",
)
async def delete_events_of_type(message: DeleteEventsOfType, progress: Progress) -> dict[str, Any]:
    """Delete the events in the order of lead ids. A repeated run continues after the last commit."""
    cursor = Cursor() if progress.cursor is None else msgspec.json.decode(progress.cursor, type=Cursor)
    cursor = await _delete_unprocessed(message, progress, cursor)
    total = cursor.events + await _count(message, progress.scope)
    while (next_cursor := await _delete_some(message, progress, cursor, total)) is not None:
        cursor = next_cursor
    await _delete_type(message, progress.scope)
    return {"events_deleted": cursor.events, "event_scores_deleted": cursor.entries}


async def _delete_type(message: DeleteEventsOfType, scope: Scope) -> None:
    """Delete the type if it is unused, and restore it if newer events have it.

    The look-up of events takes long, so it is done without the lock of the deletion, which blocks workers.
    """
    async with transaction(scope) as session:
        await EventTypeSettings(session, scope).delete_unused(message.event_type)
    async with transaction(scope) as session:
        await EventTypeSettings(session, scope).restore_used(message.event_type)


async def _delete_unprocessed(message: DeleteEventsOfType, progress: Progress, cursor: Cursor) -> Cursor:
    """Delete unprocessed events first. Those that are processed meanwhile are deleted with the processed ones."""
    scope = progress.scope
    pages = find_unprocessed(scope, message.received_until, lambda event: event.event_type == message.event_type)
    async for event_ids in pages:
        async with transaction(scope) as session:
            deleted = await EventDeletions(session, scope).delete_unprocessed(event_ids)
            cursor = replace(cursor, events=cursor.events + deleted)
            await _report(progress, session, cursor, None)
    return cursor


async def _delete_some(message: DeleteEventsOfType, progress: Progress, cursor: Cursor, total: int) -> Cursor | None:
    scope, matching = progress.scope, _condition(message, progress.scope)
    async with transaction(scope) as session:
        query = select(Event.lead_id).where(matching, Event.lead_id > cursor.after).distinct()
        lead_ids = list(await session.scalars(query.order_by(Event.lead_id).limit(LEADS_PER_TRANSACTION)))
        if not lead_ids:
            # Start again until there is nothing left: a merge may have moved events to a lead that was already done.
            return replace(cursor, after="") if cursor.after else None
        removed = await EventDeletions(session, scope).remove(lead_ids, matching)
        next_cursor = Cursor(lead_ids[-1], cursor.events + removed.events, cursor.entries + removed.entries)
        await _report(progress, session, next_cursor, max(total, next_cursor.events))
    return next_cursor


async def _report(progress: Progress, session: AsyncSession, cursor: Cursor, total: int | None) -> None:
    text = msgspec.json.encode(cursor).decode()
    await progress.report(session, done=cursor.events, total=total, cursor=text)


async def _count(message: DeleteEventsOfType, scope: Scope) -> int:
    async with transaction(scope) as session:
        return await CountRepository(session, scope).events(message.event_type)


def _condition(message: DeleteEventsOfType, scope: Scope) -> ColumnElement[bool]:
    return and_(
        Event.unit_id == scope.unit_id,
        Event.event_type == message.event_type,
        Event.received_at <= message.received_until,
    )
