"""Finds leads by the beginning of their id or by a part of one of their aliases."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.scope import Scope
from leadvibe.events.inbox import STRENGTH
from leadvibe.leads.models import Alias, Lead
from leadvibe.scoring.repository import among

SHORTEST = 2
MOST = 10
TELLING = ("email", *(kind for kind in STRENGTH if kind != "email"))
"""Alias kinds, the one that tells a person most about who it is first."""


@dataclass(frozen=True, slots=True)
class LeadMatch:
    lead_id: str
    match_type: Literal["id", "alias"]
    best_alias: str | None


class LeadSearch:
    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def find(self, sought: str) -> list[LeadMatch]:
        """At most ten: those whose id begins so first, each kind in the order of what matched."""
        if len(sought) < SHORTEST:
            return []
        forms = _forms(sought)
        by_id = await self._by_id(forms)
        by_alias = [lead_id for lead_id in await self._by_alias(forms) if lead_id not in by_id][: MOST - len(by_id)]
        best = await self._best_aliases([*by_id, *by_alias], forms)
        return [
            *(LeadMatch(lead_id, "id", best.get(lead_id)) for lead_id in by_id),
            *(LeadMatch(lead_id, "alias", best.get(lead_id)) for lead_id in by_alias),
        ]

    async def _by_id(self, forms: Sequence[str]) -> Sequence[str]:
        lowered = func.lower(Lead.lead_id)
        query = select(Lead.lead_id).where(
            Lead.unit_id == self.scope.unit_id,
            Lead.merged_into.is_(None),
            or_(*(lowered.startswith(form, autoescape=True) for form in forms)),
        )
        return (await self.session.scalars(query.order_by(lowered, Lead.lead_id).limit(MOST))).all()

    async def _by_alias(self, forms: Sequence[str]) -> Sequence[str]:
        lowered = func.lower(Alias.value)
        query = (
            select(Alias.lead_id)
            .join(Lead, and_(Lead.unit_id == Alias.unit_id, Lead.lead_id == Alias.lead_id))
            .where(
                Alias.unit_id == self.scope.unit_id,
                Lead.merged_into.is_(None),
                or_(*(lowered.contains(form, autoescape=True) for form in forms)),
            )
            .group_by(Alias.lead_id)
            .order_by(func.min(lowered), Alias.lead_id)
            .limit(2 * MOST)  # half of them may have been found by their id already
        )
        return (await self.session.scalars(query)).all()

    async def _best_aliases(self, lead_ids: Sequence[str], forms: Sequence[str]) -> dict[str, str]:
        query = select(Alias.lead_id, Alias.kind, Alias.value).where(
            Alias.unit_id == self.scope.unit_id, Alias.lead_id == among(lead_ids)
        )
        best: dict[str, tuple[int, bool, str]] = {}
        for lead_id, kind, value in await self.session.execute(query):
            unlike = not any(form in value.lower() for form in forms)
            rank = (TELLING.index(kind), unlike, value)
            best[lead_id] = min(best.get(lead_id, rank), rank)
        return {lead_id: value for lead_id, (_, _, value) in best.items()}


def _forms(sought: str) -> Sequence[str]:
    """What is sought in lower case: ids and aliases compare byte by byte, so PostgreSQL lowers only their ASCII."""
    return sorted({sought.lower(), "".join(letter.lower() if letter.isascii() else letter for letter in sought)})
