"""By which of its aliases people recognise a lead."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.queries import among
from leadvibe.core.scope import Scope
from leadvibe.identity.aliases import STRENGTH
from leadvibe.identity.models import Alias

TELLING: Final = ("email", *(kind for kind in STRENGTH if kind != "email"))
"""Alias kinds, the one that tells a person most about who it is first."""


async def display_aliases(
    session: AsyncSession, scope: Scope, lead_ids: Collection[str], *, like: Collection[str] = ()
) -> dict[str, str]:
    """By lead, for those that have any: of the most telling kind, and of that kind rather one that contains these."""
    query = select(Alias.lead_id, Alias.kind, Alias.value).where(
        Alias.unit_id == scope.unit_id, Alias.lead_id == among(lead_ids)
    )
    best: dict[str, tuple[int, bool, str]] = {}
    for lead_id, kind, value in await session.execute(query):
        unlike = not any(form in value.lower() for form in like)
        rank = (TELLING.index(kind), unlike, value)
        best[lead_id] = min(best.get(lead_id, rank), rank)
    return {lead_id: value for lead_id, (_, _, value) in best.items()}
