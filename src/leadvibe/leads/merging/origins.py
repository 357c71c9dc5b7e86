"""The origins of a merged lead: the leads that it consists of, and up to when the facts of each no longer count.

The rule of which facts count is `engine.as_counted`, which replays apply with these instants (`pipeline.load`).
`tests/api/leads/test_merge_properties.py` proves that stored merges equal merged histories in memory.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.queries import among
from leadvibe.core.http.problems import Unavailable
from leadvibe.core.scope import Scope
from leadvibe.leads.models import LeadOrigin
from leadvibe.pipeline.apply import lock_leads
from leadvibe.pipeline.project import LeadState
from leadvibe.scores.models import ScoreReset

Origins = dict[str, datetime | None]
"""Id of an original lead → the instant up to which its facts don't count, or None if all of them count."""


async def merged_lead_ids(session: AsyncSession, scope: Scope, lead_ids: Sequence[str]) -> list[str]:
    """The leads that were merged into these."""
    query = select(LeadOrigin.original_lead_id).where(
        LeadOrigin.unit_id == scope.unit_id,
        LeadOrigin.lead_id == among(lead_ids),
        LeadOrigin.original_lead_id != LeadOrigin.lead_id,
    )
    return sorted(await session.scalars(query))


async def lock_with_merged(
    session: AsyncSession, scope: Scope, lead_ids: Sequence[str]
) -> tuple[dict[str, LeadState], list[str]]:
    """Lock these leads and the leads that were merged into them.

    Returns the states of these leads by id, and the ids of the merged leads.
    """
    merged = await merged_lead_ids(session, scope, lead_ids)
    states = await lock_leads(session, scope.unit_id, lead_ids, also=merged)
    if await merged_lead_ids(session, scope, lead_ids) != merged:
        # Locking the new ones now would break the lock order, in which leads are sorted by id.
        raise Unavailable("Another merge changed one of these leads; try again.")
    return {state.lead.lead_id: state for state in states}, merged


async def read_origins(session: AsyncSession, scope: Scope, lead_ids: Sequence[str]) -> Origins:
    """The origins of these leads. A reset of a lead applies to every origin that the lead has at that time."""
    resets = await _latest_resets(session, scope, lead_ids)
    query = select(LeadOrigin.lead_id, LeadOrigin.original_lead_id, LeadOrigin.taken_in_until).where(
        LeadOrigin.unit_id == scope.unit_id, LeadOrigin.lead_id == among(lead_ids)
    )
    origins: Origins = {lead_id: resets.get(lead_id) for lead_id in lead_ids}
    for lead_id, original_lead_id, until in await session.execute(query):
        origins[original_lead_id] = latest(until, resets.get(lead_id))
    return origins


async def _latest_resets(session: AsyncSession, scope: Scope, lead_ids: Sequence[str]) -> dict[str, datetime]:
    """By lead, without the resets that its origins already include."""
    query = (
        select(ScoreReset.lead_id, func.max(ScoreReset.reset_at))
        .where(ScoreReset.unit_id == scope.unit_id, ScoreReset.lead_id == among(lead_ids))
        .where(ScoreReset.in_origins.is_(False))
        .group_by(ScoreReset.lead_id)
    )
    return dict((await session.execute(query)).all())


def latest(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant is not None), default=None)


async def replace_origins(
    session: AsyncSession,
    scope: Scope,
    target_id: str,
    source_ids: Sequence[str],
    origins: Mapping[str, datetime | None],
) -> None:
    """Store the origins of the target, and delete those of the sources."""
    await session.execute(
        delete(LeadOrigin)
        .where(LeadOrigin.unit_id == scope.unit_id, LeadOrigin.lead_id == among([target_id, *source_ids]))
        .execution_options(synchronize_session=False)
    )
    rows = [
        {"unit_id": scope.unit_id, "lead_id": target_id, "original_lead_id": original_lead_id, "taken_in_until": until}
        for original_lead_id, until in origins.items()
    ]
    await session.execute(insert(LeadOrigin), rows)
