"""Chooses the alias under which people recognize a lead."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import ARRAY, Select, Text, func, literal, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.scope import Scope
from leadvibe.identity.aliases import STRENGTH
from leadvibe.identity.case_folding import fold_case
from leadvibe.identity.models import Alias

DISPLAY_ORDER: Final = ("email", *(kind for kind in STRENGTH if kind != "email"))
"""Alias kinds, the most recognizable first."""

MAX_COMPARED: Final = 100
"""Aliases of one kind of one lead that are compared with a searched text."""


async def display_aliases(
    session: AsyncSession, scope: Scope, lead_ids: Collection[str], *, like: Collection[str] = ()
) -> dict[str, str]:
    """The display alias of each lead that has any: of the most recognizable kind, the oldest.

    Among aliases of that kind, those that contain one of the `like` texts (with folded case) come first. Only the
    oldest aliases of a kind are compared with them: a lead may have any number of aliases.
    """
    aliases_per_kind = MAX_COMPARED if like else 1
    best: dict[str, tuple[int, bool, int]] = {}
    values: dict[str, str] = {}
    query = oldest_aliases(scope, lead_ids, aliases_per_kind)
    for position, (lead_id, kind, value) in enumerate(await session.execute(query)):
        is_unlike = not any(text in fold_case(value) for text in like)
        rank = (DISPLAY_ORDER.index(kind), is_unlike, position)
        if lead_id not in best or rank < best[lead_id]:
            best[lead_id], values[lead_id] = rank, value
    return values


def oldest_aliases(scope: Scope, lead_ids: Collection[str], aliases_per_kind: int) -> Select[str, str, str]:
    """The lead, kind and value of the oldest aliases of each kind of each lead."""
    lead = func.unnest(literal(list(lead_ids), ARRAY(Text))).table_valued("lead_id", name="lead").render_derived()
    kind = func.unnest(literal(list(DISPLAY_ORDER), ARRAY(Text))).table_valued("kind", name="kind").render_derived()
    oldest = (
        select(Alias.value)
        .where(Alias.unit_id == scope.unit_id, Alias.lead_id == lead.c.lead_id, Alias.kind == kind.c.kind)
        .order_by(Alias.created_at, Alias.value)
        .limit(aliases_per_kind)
        .lateral("oldest")
    )
    return select(lead.c.lead_id, kind.c.kind, oldest.c.value).select_from(lead.join(kind, true()).join(oldest, true()))
