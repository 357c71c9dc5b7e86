"""What a merged lead is made of: which leads went into it, and up to when each one's own resets took its facts in."""

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
"""Lead of origin → the instant up to which nothing of it counts any more, if there is one."""


async def absorbed(session: AsyncSession, scope: Scope, lead_ids: Sequence[str]) -> list[str]:
    """The leads that went into these."""
    query = select(LeadOrigin.original_lead_id).where(
        LeadOrigin.unit_id == scope.unit_id,
        LeadOrigin.lead_id == among(lead_ids),
        LeadOrigin.original_lead_id != LeadOrigin.lead_id,
    )
    return sorted(await session.scalars(query))


async def hold_whole(
    session: AsyncSession, scope: Scope, lead_ids: Sequence[str]
) -> tuple[dict[str, LeadState], list[str]]:
    """Lock leads together with those that went into them: their states, and who those are."""
    merged = await absorbed(session, scope, lead_ids)
    states = await lock_leads(session, scope.unit_id, lead_ids, also=merged)
    if await absorbed(session, scope, lead_ids) != merged:
        # To lock more now would be out of order.
        raise Unavailable("Another merge of these leads came first; try again.")
    return {state.lead.lead_id: state for state in states}, merged


async def origins_of(session: AsyncSession, scope: Scope, lead_ids: Sequence[str]) -> Origins:
    """All that these leads are made of. A reset acts on every part that its lead has by then."""
    resets = await _latest_resets(session, scope, lead_ids)
    query = select(LeadOrigin.lead_id, LeadOrigin.original_lead_id, LeadOrigin.taken_in_until).where(
        LeadOrigin.unit_id == scope.unit_id, LeadOrigin.lead_id == among(lead_ids)
    )
    origins: Origins = {lead_id: resets.get(lead_id) for lead_id in lead_ids}
    for lead_id, original, until in await session.execute(query):
        origins[original] = later(until, resets.get(lead_id))
    return origins


async def _latest_resets(session: AsyncSession, scope: Scope, lead_ids: Sequence[str]) -> dict[str, datetime]:
    query = (
        select(ScoreReset.lead_id, func.max(ScoreReset.reset_at))
        .where(ScoreReset.unit_id == scope.unit_id, ScoreReset.lead_id == among(lead_ids))
        .where(ScoreReset.in_origins.is_(False))
        .group_by(ScoreReset.lead_id)
    )
    return dict((await session.execute(query)).all())


def later(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant is not None), default=None)


async def replace_origins(
    session: AsyncSession,
    scope: Scope,
    target_id: str,
    source_ids: Sequence[str],
    origins: Mapping[str, datetime | None],
) -> None:
    await session.execute(
        delete(LeadOrigin)
        .where(LeadOrigin.unit_id == scope.unit_id, LeadOrigin.lead_id == among([target_id, *source_ids]))
        .execution_options(synchronize_session=False)
    )
    rows = [
        {"unit_id": scope.unit_id, "lead_id": target_id, "original_lead_id": original, "taken_in_until": until}
        for original, until in origins.items()
    ]
    await session.execute(insert(LeadOrigin), rows)
