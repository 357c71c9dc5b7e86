"""Lets fall due what silence and the configuration do to scores: decay steps, and the lifting of negatives."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import asyncpg
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

SLICE: Final = 200

# Leads that somebody works on are let be: that work applies what is due.
TAKE_DUE: Final = """
SELECT unit_id, lead_id, standing, ledger_at, next_decay_at FROM leads
WHERE next_decay_at <= clock_timestamp() AND merged_into IS NULL
ORDER BY next_decay_at LIMIT $1
FOR NO KEY UPDATE SKIP LOCKED
"""

TAKE_NEXT: Final = """
SELECT unit_id, lead_id, standing, ledger_at, next_decay_at FROM leads
WHERE unit_id = $1 AND lead_id > $2 AND merged_into IS NULL AND standing IS NOT NULL
ORDER BY lead_id LIMIT $3
FOR NO KEY UPDATE
"""

log = structlog.get_logger()


@schedule("* * * * *")
async def advance_due_leads() -> None:
    """Bring every lead up to now that something has fallen due for."""
    advanced = 0
    while taken := await advance_some():
        advanced += taken
    if advanced:
        log.info("scores decayed", leads=advanced)


async def advance_some() -> int:
    """Advance a slice of the leads that are due; how many they were.

    Being late changes nothing: each step carries the instant at which it was due. Nor does doing it twice.
    """
    async with transaction(None) as session:
        rows = await (await raw(session)).fetch(TAKE_DUE, SLICE)
        await _advance(session, rows)
    return len(rows)


@job(AdvanceLeads)
async def advance_leads(message: AdvanceLeads) -> None:
    """Let a new configuration reach the silent: what falls due for them, and when, is another matter now."""
    scope, last = system_scope(message.org_id, message.unit_id), ""
    while (reached := await retry_transient(partial(_advance_after, scope, last))) is not None:
        last = reached


async def _advance_after(scope: Scope, last: str) -> str | None:
    async with transaction(scope) as session:
        rows = await (await raw(session)).fetch(TAKE_NEXT, scope.unit_id, last, SLICE)
        await _advance(session, rows)
    return rows[-1]["lead_id"] if rows else None


async def _advance(session: AsyncSession, rows: Sequence[asyncpg.Record]) -> None:
    """Bring locked leads up to now, and write what that changes."""
    plans = await lock_plans(session, {row[0] for row in rows})
    states = [LeadState.of(LockedLead(*row[:4]), plans[row[0]]) for row in rows]
    connection, now = await raw(session), await database_now(session)
    histories = await load_histories(connection, [state for state in states if not state.can_fold([])])
    writes = Writes()
    evolved: dict[str, list[tuple[LeadState, Projection]]] = {}
    for state, row in zip(states, rows, strict=True):
        history = histories.get(state.key)
        projection = await project(state, [], history, now)
        if history is not None or projection.written or due_at(projection.outcome.next_decay_at) != row[4]:
            record_projection(state, projection, history, next_ledger_time(state.lead, now), writes)
            evolved.setdefault(row[0], []).append((state, projection))
    await save(connection, writes)
    for unit_id in sorted(evolved):
        await publish_scores(session, evolved[unit_id])
