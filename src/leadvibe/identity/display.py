"""Chooses the alias under which people recognize a lead."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.queries import among
from leadvibe.core.scope import Scope
from leadvibe.identity.aliases import STRENGTH
from leadvibe.identity.models import Alias

DISPLAY_ORDER: Final = ("email", *(kind for kind in STRENGTH if kind != "email"))
"""Alias kinds, the most recognizable first."""


async def display_aliases(
    session: AsyncSession, scope: Scope, lead_ids: Collection[str], *, like: Collection[str] = ()
) -> dict[str, str]:
    """The display alias of each lead that has any: of the most recognizable kind.

    Among aliases of that kind, those that contain one of the `like` texts come first.
    """
    query = select(Alias.lead_id, Alias.kind, Alias.value).where(
        Alias.unit_id == scope.unit_id, Alias.lead_id == among(lead_ids)
    )
    best: dict[str, tuple[int, bool, str]] = {}
    for lead_id, kind, value in await session.execute(query):
        is_unlike = not any(text in value.lower() for text in like)
        rank = (DISPLAY_ORDER.index(kind), is_unlike, value)
        best[lead_id] = min(best.get(lead_id, rank), rank)
    return {lead_id: value for lead_id, (_, _, value) in best.items()}
