"""Judges a lead's events anew, by today's configuration: what `POST /admin/rescore` starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.db import transaction
from leadvibe.core.job_models import Job
from leadvibe.core.job_progress import Progress, start_job, watched_job
from leadvibe.core.scope import Scope
from leadvibe.events.models import Event
from leadvibe.leads.models import Lead
from leadvibe.scoring.acting import clock, hold, replay_all, tell_scores
from leadvibe.scoring.repository import among

LEADS_AT_ONCE: Final = 12
"""Few: an event of one of these waits until all of them are done."""


@dataclass(frozen=True, slots=True)
class RescoreLeads:
    """Stamp the events of an OU's leads with the version that is current, and replay them; all leads without ids."""

    lead_ids: list[str] | None = None


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """How far a rescore is."""

    after: str = ""
    done: int = 0
    moved: int = 0
    """Leads whose score is another now."""


class Rescores:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def start(self, lead_ids: list[str] | None) -> Job:
        return await start_job(self.session, self.scope, RescoreLeads(lead_ids))


@watched_job(RescoreLeads, kind="rescore")
async def rescore_leads(message: RescoreLeads, progress: Progress) -> dict[str, Any]:
    """A few leads a transaction, in the order of their ids; a run that was broken off goes on after its last commit."""
    cursor = Cursor() if progress.cursor is None else msgspec.json.decode(progress.cursor, type=Cursor)
    total = await _count(progress.scope, message)
    while (following := await _rescore_some(message, progress, cursor, total)) is not None:
        cursor = following
    return {"leads": cursor.done, "moved": cursor.moved}


async def _rescore_some(message: RescoreLeads, progress: Progress, cursor: Cursor, total: int) -> Cursor | None:
    scope = progress.scope
    async with transaction(scope) as session:
        query = select(Lead.lead_id).where(*_wanted(scope, message), Lead.lead_id > cursor.after)
        # Locked here, so that none is merged away or deleted before it is replayed.
        leads = query.order_by(Lead.lead_id).limit(LEADS_AT_ONCE).with_for_update(key_share=True)
        lead_ids = list(await session.scalars(leads))
        if not lead_ids:
            return None
        moved = await rescore(session, scope, lead_ids)
        following = Cursor(lead_ids[-1], cursor.done + len(lead_ids), cursor.moved + moved)
        # The progress is another's row: nobody waits for it but who looks at the job.
        text = msgspec.json.encode(following).decode()
        await progress.report(session, done=following.done, total=total, cursor=text)
    return following


async def rescore(session: AsyncSession, scope: Scope, lead_ids: Sequence[str]) -> int:
    """Judge all events of these leads by the current version; how many leads' scores moved."""
    states = await hold(session, scope.unit_id, lead_ids)
    await session.execute(
        update(Event)
        .where(Event.unit_id == scope.unit_id, Event.lead_id == among(lead_ids))
        .where(Event.config_version != states[0].plans.plans.newest)
        .values(config_version=states[0].plans.plans.newest)
        .execution_options(synchronize_session=False)
    )
    evolved = await replay_all(session, states, await clock(session))
    moved = [(state, evolution) for state, evolution in evolved if evolution.moved]
    await tell_scores(session, moved)
    return len(moved)


async def _count(scope: Scope, message: RescoreLeads) -> int:
    async with transaction(scope) as session:
        return (await session.scalars(select(func.count()).select_from(Lead).where(*_wanted(scope, message)))).one()


def _wanted(scope: Scope, message: RescoreLeads) -> list[Any]:
    conditions: list[Any] = [Lead.unit_id == scope.unit_id, Lead.merged_into.is_(None)]
    return conditions if message.lead_ids is None else [*conditions, Lead.lead_id == among(message.lead_ids)]
