"""Judges a lead's events anew, by today's configuration: what `POST /admin/rescore` starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.queries import among
from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.jobs.models import Job
from leadvibe.core.jobs.progress import ENDED, Progress, start_job, watched_job
from leadvibe.core.retries import retry_transient
from leadvibe.core.scope import Scope
from leadvibe.identity.locks import LockedLead
from leadvibe.leads.models import Lead
from leadvibe.pipeline.apply import publish_scores, replay_leads
from leadvibe.pipeline.project import LeadState, Projection
from leadvibe.rulesets.plans import lock_plans

LEADS_AT_ONCE: Final = 12
"""Few: an event of one of these waits until all of them are done."""

TAKE_NEXT: Final = """
SELECT unit_id, lead_id, standing, ledger_at FROM leads
WHERE unit_id = $1 AND lead_id > $2 AND merged_into IS NULL AND ($3::text[] IS NULL OR lead_id = ANY($3::text[]))
ORDER BY lead_id LIMIT $4
FOR NO KEY UPDATE
"""

STAMP: Final = """
UPDATE leads SET stamped_version = $3
WHERE unit_id = $1 AND lead_id = ANY($2::text[]) AND stamped_version IS DISTINCT FROM $3
"""


@dataclass(frozen=True, slots=True)
class RescoreLeads:
    """Stamp the events of an OU's leads with the version that is current, and replay them; all leads without ids."""

    lead_ids: list[str] | None = None


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """How far a rescore is: the last lead it is done with, how many those are, how many have another score now."""

    after: str = ""
    done: int = 0
    moved: int = 0


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
    while (following := await retry_transient(partial(_rescore_some, message, progress, cursor, total))) is not None:
        cursor = following
    return {"leads": cursor.done, "moved": cursor.moved}


async def _rescore_some(message: RescoreLeads, progress: Progress, cursor: Cursor, total: int) -> Cursor | None:
    async with transaction(progress.scope) as session:
        states = await _take(session, progress.scope, message, cursor.after)
        if not states:
            return None
        evolved = await _rescore(session, states)
        moved = [(state, projection) for state, projection in evolved if projection.moved]
        following = Cursor(states[-1].lead.lead_id, cursor.done + len(states), cursor.moved + len(moved))
        # The progress is another's row: nobody waits for it but who looks at the job.
        if (await progress.hold(session)).status in ENDED:  # by another run
            return None
        # Leads that were made since they were counted are done too.
        text = msgspec.json.encode(following).decode()
        await progress.report(session, done=following.done, total=max(following.done, total), cursor=text)
        await publish_scores(session, moved)
    return following


async def _take(session: AsyncSession, scope: Scope, message: RescoreLeads, after: str) -> list[LeadState]:
    """Lock the leads that follow, so that none is merged away or deleted before it is replayed."""
    wanted = scope.unit_id, after, message.lead_ids, LEADS_AT_ONCE
    rows = await (await raw(session)).fetch(TAKE_NEXT, *wanted)
    plans = (await lock_plans(session, [scope.unit_id]))[scope.unit_id]
    return [LeadState.of(LockedLead(*row), plans) for row in rows]


async def _rescore(session: AsyncSession, states: Sequence[LeadState]) -> list[tuple[LeadState, Projection]]:
    """Judge all events of these leads by the current version."""
    unit_id, newest = states[0].lead.unit_id, states[0].plans.plans.newest
    await (await raw(session)).execute(STAMP, unit_id, [state.lead.lead_id for state in states], newest)
    return await replay_leads(session, states, await database_now(session))


async def _count(scope: Scope, message: RescoreLeads) -> int:
    async with transaction(scope) as session:
        return (await session.scalars(select(func.count()).select_from(Lead).where(*_wanted(scope, message)))).one()


def _wanted(scope: Scope, message: RescoreLeads) -> list[Any]:
    conditions: list[Any] = [Lead.unit_id == scope.unit_id, Lead.merged_into.is_(None)]
    return conditions if message.lead_ids is None else [*conditions, Lead.lead_id == among(message.lead_ids)]
