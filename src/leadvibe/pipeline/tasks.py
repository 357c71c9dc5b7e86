"""Applies score changes that no event causes: decay steps that fall due, and changes of the configuration."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.clock import database_now
from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.instants import due_at
from leadvibe.core.jobs.queue import job, schedule
from leadvibe.core.retries import retry_transient
from leadvibe.core.scope import Scope, system_scope
from leadvibe.identity.locks import LockedLead
from leadvibe.pipeline.apply import publish_scores
from leadvibe.pipeline.project import (
    LeadState,
    Projection,
    load_histories,
    next_ledger_time,
    project,
    record_projection,
)
from leadvibe.pipeline.save import Writes, save
from leadvibe.rulesets.messages import AdvanceLeads
from leadvibe.rulesets.plans import lock_plans

LEADS_PER_TRANSACTION: Final = 200

# Leads locked by another transaction are skipped: it applies the due steps itself.
LOCK_DUE_LEADS: Final = """
SELECT unit_id, lead_id, standing, ledger_at, next_decay_at FROM leads
WHERE next_decay_at <= statement_timestamp() AND merged_into IS NULL
ORDER BY next_decay_at LIMIT $1
FOR NO KEY UPDATE SKIP LOCKED
"""

LOCK_NEXT_LEADS: Final = """
SELECT unit_id, lead_id, standing, ledger_at, next_decay_at FROM leads
WHERE unit_id = $1 AND lead_id > $2 AND merged_into IS NULL AND standing IS NOT NULL
ORDER BY lead_id LIMIT $3
FOR NO KEY UPDATE
"""

log = structlog.get_logger()


class _AdvancedLead(NamedTuple):
    """A row of the statements above."""

    unit_id: str
    lead_id: str
    standing: bytes | None
    ledger_at: datetime | None
    next_decay_at: datetime | None

    @property
    def locked(self) -> LockedLead:
        return LockedLead(self.unit_id, self.lead_id, self.standing, self.ledger_at)


@schedule("* * * * *")
async def advance_due_leads() -> None:
    """Apply the steps that are due to all leads."""
    total = 0
    while advanced := await _advance_some():
        total += advanced
    if total:
        log.info("due decay steps applied", leads=total)


async def _advance_some() -> int:
    """Apply due steps to some leads, and return their number.

    A late run gives the same ledger, because each step has the instant at which it was due. So does a repeated run.
    """
    async with transaction(None) as session:
        rows = await (await raw(session)).fetch(LOCK_DUE_LEADS, LEADS_PER_TRANSACTION)
        await _advance(session, [_AdvancedLead(*row) for row in rows])
    return len(rows)


@job(AdvanceLeads)
async def advance_leads(message: AdvanceLeads) -> None:
    """Apply a new configuration to leads without new events: it changes which steps are due and when."""
    scope, after = system_scope(message.org_id, message.unit_id), ""
    while (last := await retry_transient(partial(_advance_after, scope, after))) is not None:
        after = last


async def _advance_after(scope: Scope, after: str) -> str | None:
    """Advance the leads that follow in the order of ids. Returns the last lead, or None after all leads."""
    async with transaction(scope) as session:
        rows = await (await raw(session)).fetch(LOCK_NEXT_LEADS, scope.unit_id, after, LEADS_PER_TRANSACTION)
        await _advance(session, [_AdvancedLead(*row) for row in rows])
    return rows[-1]["lead_id"] if rows else None


async def _advance(session: AsyncSession, leads: Sequence[_AdvancedLead]) -> None:
    """Apply all steps until now to locked leads, and save the changes."""
    plans = await lock_plans(session, {lead.unit_id for lead in leads})
    states = [LeadState.of(lead.locked, plans[lead.unit_id]) for lead in leads]
    connection, now = await raw(session), await database_now(session)
    histories = await load_histories(connection, [state for state in states if not state.can_fold([])])
    writes = Writes()
    projected: dict[str, list[tuple[LeadState, Projection]]] = {}
    for state, lead in zip(states, leads, strict=True):
        history = histories.get(state.key)
        projection = await project(state, [], history, now)
        if history is not None or projection.written or due_at(projection.outcome.next_decay_at) != lead.next_decay_at:
            record_projection(state, projection, history, next_ledger_time(state.lead, now), writes)
            projected.setdefault(lead.unit_id, []).append((state, projection))
    await save(connection, writes)
    for unit_id in sorted(projected):
        await publish_scores(session, projected[unit_id])
