"""Changes leads outside the event path, under the same locks: resets, adjustments, merges, deletions, rescores."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import raw
from leadvibe.core.http.problems import NotFound
from leadvibe.core.stream.frames import append
from leadvibe.engine import Fact
from leadvibe.identity.leads import LeadMerged
from leadvibe.identity.locks import LockedLead
from leadvibe.pipeline.frames import score_frames
from leadvibe.pipeline.project import (
    LeadState,
    Projection,
    load_histories,
    next_ledger_time,
    project,
    record_projection,
)
from leadvibe.pipeline.save import Writes, save
from leadvibe.rulesets.plans import lock_plans

LOCK_LEADS: Final = """
SELECT lead_id, merged_into, standing, ledger_at FROM leads
WHERE unit_id = $1 AND lead_id = ANY($2::text[])
ORDER BY unit_id, lead_id
FOR NO KEY UPDATE
"""


async def lock_leads(
    session: AsyncSession, unit_id: str, lead_ids: Sequence[str], *, also: Sequence[str] = ()
) -> list[LeadState]:
    """Lock leads of an OU in the order of their ids, and return the states of those that are not merged.

    Raises NotFound if one of `lead_ids` is missing, and LeadMerged if one was merged. The leads of `also` are locked
    with them, and may be missing or merged.
    """
    connection = await raw(session)
    rows = await connection.fetch(LOCK_LEADS, unit_id, sorted({*lead_ids, *also}))
    locked = {row["lead_id"]: row for row in rows}
    for lead_id in sorted(set(lead_ids)):
        if lead_id not in locked:
            raise NotFound(f"There is no lead {lead_id} in the OU.")
        if (target := locked[lead_id]["merged_into"]) is not None:
            raise LeadMerged(lead_id, target)
    plans = (await lock_plans(session, [unit_id]))[unit_id]
    return [
        LeadState.of(LockedLead(unit_id, lead_id, standing, ledger_at), plans)
        for lead_id, merged_into, standing, ledger_at in rows
        if merged_into is None
    ]


async def apply_facts(session: AsyncSession, state: LeadState, facts: Sequence[Fact], now: datetime) -> Projection:
    """Apply facts that are not stored yet to a locked lead, and save the projection.

    The caller publishes the frames; see `publish_scores`.
    """
    connection, writes = await raw(session), Writes()
    history = None if state.can_fold(facts) else (await load_histories(connection, [state]))[state.key]
    projection = await project(state, facts, history, now)
    record_projection(state, projection, history, next_ledger_time(state.lead, now), writes)
    await save(connection, writes)
    return projection


async def replay_leads(
    session: AsyncSession, states: Sequence[LeadState], now: datetime
) -> list[tuple[LeadState, Projection]]:
    """Replay the whole histories of locked leads, and save the differences."""
    connection = await raw(session)
    histories = await load_histories(connection, states)
    writes = Writes()
    projected: list[tuple[LeadState, Projection]] = []
    for state in states:
        history = histories[state.key]
        projection = await project(state, [], history, now)
        record_projection(state, projection, history, next_ledger_time(state.lead, now), writes)
        projected.append((state, projection))
    await save(connection, writes)
    return projected


async def publish_scores(session: AsyncSession, projected: Sequence[tuple[LeadState, Projection]]) -> None:
    """Publish the changed scores of leads of one OU. It must be the last statement of the transaction."""
    frames = [frame for state, projection in projected for frame in score_frames(state, projection)]
    if frames:
        await append(await raw(session), projected[0][0].lead.unit_id, frames)
