"""Acts on leads outside the event road, under the same locks: resets, adjustments, decay, merges, rescores."""

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

LOCK: Final = """
SELECT lead_id, merged_into, standing, ledger_at FROM leads
WHERE unit_id = $1 AND lead_id = ANY($2::text[])
ORDER BY unit_id, lead_id
FOR NO KEY UPDATE
"""


async def lock_leads(
    session: AsyncSession, unit_id: str, lead_ids: Sequence[str], *, also: Sequence[str] = ()
) -> list[LeadState]:
    """Lock leads of an OU, in the order of their ids; NotFound if one is missing, Merged if one was merged away.

    Those of `also` are locked with them, merged or not; the states are of leads that aren't.
    """
    connection = await raw(session)
    rows = await connection.fetch(LOCK, unit_id, sorted({*lead_ids, *also}))
    locked = {row[0]: row for row in rows}
    for lead_id in sorted(set(lead_ids)):
        if lead_id not in locked:
            raise NotFound(f"There is no lead {lead_id} here.")
        if locked[lead_id][1] is not None:
            raise LeadMerged(lead_id, locked[lead_id][1])
    plans = (await lock_plans(session, [unit_id]))[unit_id]
    return [LeadState.of(LockedLead(unit_id, row[0], row[2], row[3]), plans) for row in rows if row[1] is None]


async def apply_facts(session: AsyncSession, state: LeadState, facts: Sequence[Fact], now: datetime) -> Projection:
    """Let facts that aren't stored yet happen to a held lead, and write what follows from them.

    Frames are the caller's: `tell_scores`.
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
    """Fold the whole histories of held leads once more, and write what comes out differently."""
    connection = await raw(session)
    histories = await load_histories(connection, states)
    writes = Writes()
    evolved: list[tuple[LeadState, Projection]] = []
    for state in states:
        history = histories[state.key]
        projection = await project(state, [], history, now)
        record_projection(state, projection, history, next_ledger_time(state.lead, now), writes)
        evolved.append((state, projection))
    await save(connection, writes)
    return evolved


async def publish_scores(session: AsyncSession, evolved: Sequence[tuple[LeadState, Projection]]) -> None:
    """Publish what these evolutions of one OU's leads did to their scores: the transaction's last statement."""
    frames = [frame for state, projection in evolved for frame in score_frames(state, projection)]
    if frames:
        await append(await raw(session), evolved[0][0].lead.unit_id, frames)
