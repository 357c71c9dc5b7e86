"""The job that `POST /admin/rescore` starts: it scores leads' events again with the current configuration."""

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
from leadvibe.core.jobs.progress import ENDED, Progress, tracked_job
from leadvibe.core.retries import retry_transient
from leadvibe.core.scope import Scope
from leadvibe.identity.locks import LockedLead
from leadvibe.leads.models import Lead
from leadvibe.pipeline.apply import publish_scores, replay_leads
from leadvibe.pipeline.project import LeadState, Projection
from leadvibe.rulesets.plans import lock_plans

BATCH_LEADS: Final = 12
"""Leads locked in one transaction. A small number, because new events of these leads wait until it ends."""

LOCK_NEXT: Final = """
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
    """Apply the current configuration version to all events of these leads, or of all leads of the OU."""

    lead_ids: list[str] | None = None


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """The progress of a rescore: the last lead done, the number of leads done, and how many got another score."""

    after: str = ""
    done: int = 0
    moved: int = 0


@tracked_job(
    RescoreLeads,
    kind="rescore",
    cancelling="A rescore can't be cancelled: some leads would be scored by another configuration than the others.",
)
async def rescore_leads(message: RescoreLeads, progress: Progress) -> dict[str, Any]:
    """Rescore in order of lead ids, one batch per transaction. An interrupted run continues after its last commit."""
    cursor = Cursor() if progress.cursor is None else msgspec.json.decode(progress.cursor, type=Cursor)
    total = await _count(progress.scope, message)
    while (after := await retry_transient(partial(_rescore_batch, message, progress, cursor, total))) is not None:
        cursor = after
    return {"leads": cursor.done, "moved": cursor.moved}


async def _rescore_batch(message: RescoreLeads, progress: Progress, cursor: Cursor, total: int) -> Cursor | None:
    """The cursor after the next batch; None if no leads are left or another run has ended the job."""
    async with transaction(progress.scope) as session:
        states = await _lock_next(session, progress.scope, message, cursor.after)
        if not states:
            return None
        projections = await _rescore(session, states)
        moved = [(state, projection) for state, projection in projections if projection.moved]
        next_cursor = Cursor(states[-1].lead.lead_id, cursor.done + len(states), cursor.moved + len(moved))
        # The job's row is locked after the leads. Only changes of this job wait for it.
        if (await progress.lock(session)).status in ENDED:  # another run of the same job ended it
            return None
        # Leads that were created after counting are rescored, too.
        text = msgspec.json.encode(next_cursor).decode()
        await progress.report(session, done=next_cursor.done, total=max(next_cursor.done, total), cursor=text)
        await publish_scores(session, moved)
    return next_cursor


async def _lock_next(session: AsyncSession, scope: Scope, message: RescoreLeads, after: str) -> list[LeadState]:
    """Lock the next leads, so that none is merged or deleted before it is replayed."""
    parameters = scope.unit_id, after, message.lead_ids, BATCH_LEADS
    rows = await (await raw(session)).fetch(LOCK_NEXT, *parameters)
    plans = (await lock_plans(session, [scope.unit_id]))[scope.unit_id]
    return [LeadState.of(LockedLead(*row), plans) for row in rows]


async def _rescore(session: AsyncSession, states: Sequence[LeadState]) -> list[tuple[LeadState, Projection]]:
    """Apply the current configuration version to all events of these leads."""
    unit_id, newest = states[0].lead.unit_id, states[0].plans.plans.newest
    await (await raw(session)).execute(STAMP, unit_id, [state.lead.lead_id for state in states], newest)
    return await replay_leads(session, states, await database_now(session))


async def _count(scope: Scope, message: RescoreLeads) -> int:
    async with transaction(scope) as session:
        return (await session.scalars(select(func.count()).select_from(Lead).where(*_conditions(scope, message)))).one()


def _conditions(scope: Scope, message: RescoreLeads) -> list[Any]:
    conditions: list[Any] = [Lead.unit_id == scope.unit_id, Lead.merged_into.is_(None)]
    return conditions if message.lead_ids is None else [*conditions, Lead.lead_id == among(message.lead_ids)]
