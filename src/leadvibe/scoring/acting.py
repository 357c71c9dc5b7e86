"""Acts on leads outside the event road, under the same locks: resets, adjustments, decay, merges, rescores."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.db import raw
from leadvibe.core.problems import Conflict, NotFound
from leadvibe.core.stream import append
from leadvibe.engine import Fact
from leadvibe.rulesets.plans import held_plans
from leadvibe.scoring.arrivals import score_frames
from leadvibe.scoring.evolving import Evolution, LeadState, evolve, recall, record, written_at
from leadvibe.scoring.identify import LockedLead
from leadvibe.scoring.save import Writes, save

LOCK: Final = """
SELECT lead_id, merged_into, standing, ledger_at FROM leads
WHERE unit_id = $1 AND lead_id = ANY($2::text[])
ORDER BY unit_id, lead_id
FOR NO KEY UPDATE
"""


class Merged(Conflict):
    """The lead went into another one, which is to be named instead."""

    def __init__(self, lead_id: str, merged_into: str) -> None:
        super().__init__(f"The lead {lead_id} was merged into {merged_into}.")


async def hold(
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
            raise Merged(lead_id, locked[lead_id][1])
    plans = (await held_plans(session, [unit_id]))[unit_id]
    return [LeadState.of(LockedLead(unit_id, row[0], row[2], row[3]), plans) for row in rows if row[1] is None]


async def clock(session: AsyncSession) -> datetime:
    """The database's clock now: after a lock, later than all that happened under it."""
    connection = await raw(session)
    return cast("datetime", await connection.fetchval("SELECT clock_timestamp()"))


async def happen(session: AsyncSession, state: LeadState, facts: Sequence[Fact], now: datetime) -> Evolution:
    """Let facts that aren't stored yet happen to a held lead, and write what follows from them.

    Frames are the caller's: `tell_scores`.
    """
    connection, writes = await raw(session), Writes()
    history = None if state.takes(facts) else (await recall(connection, [state]))[state.key]
    evolution = await evolve(state, facts, history, now)
    record(state, evolution, history, written_at(state.lead, now), writes)
    await save(connection, writes)
    return evolution


async def replay_all(
    session: AsyncSession, states: Sequence[LeadState], now: datetime
) -> list[tuple[LeadState, Evolution]]:
    """Fold the whole histories of held leads once more, and write what comes out differently."""
    connection = await raw(session)
    histories = await recall(connection, states)
    writes = Writes()
    evolved: list[tuple[LeadState, Evolution]] = []
    for state in states:
        history = histories[state.key]
        evolution = await evolve(state, [], history, now)
        record(state, evolution, history, written_at(state.lead, now), writes)
        evolved.append((state, evolution))
    await save(connection, writes)
    return evolved


async def tell_scores(session: AsyncSession, evolved: Sequence[tuple[LeadState, Evolution]]) -> None:
    """Publish what these evolutions of one OU's leads did to their scores: the transaction's last statement."""
    frames = [frame for state, evolution in evolved for frame in score_frames(state, evolution)]
    if frames:
        await append(await raw(session), evolved[0][0].lead.unit_id, frames)
