"""Finds leads by the beginning of their id or by a part of one of their aliases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, FromClause, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.scope import Scope
from leadvibe.events.inbox import STRENGTH
from leadvibe.leads.models import Alias, Lead
from leadvibe.scoring.repository import among

SHORTEST = 2
LAST_CHARACTER = "\U0010ffff"
MOST = 10
ENOUGH = 500
"""Aliases that are read at most: several may be one lead's."""
WALK = 2_000
TRIGRAM = 3
LOWERED = func.lower(Alias.value)
TELLING = ("email", *(kind for kind in STRENGTH if kind != "email"))
"""Alias kinds, the one that tells a person most about who it is first."""


Look = Callable[[str], Select[str]]


@dataclass(frozen=True, slots=True)
class LeadMatch:
    lead_id: str
    match_type: Literal["id", "alias"]
    best_alias: str | None


class LeadSearch:
    """Each look costs about the same in an OU of a thousand leads and in one of a million."""

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def find(self, sought: str) -> list[LeadMatch]:
        """At most ten: those whose id begins so, then who has an alias that begins so, then one that contains it."""
        if len(sought) < SHORTEST:
            return []
        forms = _forms(sought)
        by_id = await self._first(forms, [self._ids])
        by_alias = await self._first(forms, [self._beginning, self._walked, self._anywhere], known=by_id)
        best = await self._best_aliases([*by_id, *by_alias], forms)
        return [
            *(LeadMatch(lead_id, "id", best.get(lead_id)) for lead_id in by_id),
            *(LeadMatch(lead_id, "alias", best.get(lead_id)) for lead_id in by_alias),
        ]

    async def _first(self, forms: Sequence[str], looks: Sequence[Look], *, known: Sequence[str] = ()) -> list[str]:
        """The leads that these looks find one after another, until they are enough with those that are known."""
        found: dict[str, None] = {}
        for look in looks:
            for form in forms:
                found |= dict.fromkeys(await self.session.scalars(look(form)))
            if len(found.keys() | set(known)) >= MOST:
                break
        return [lead_id for lead_id in found if lead_id not in known][: MOST - len(known)]

    def _ids(self, form: str) -> Select[str]:
        mine = (Lead.unit_id == self.scope.unit_id, Lead.merged_into.is_(None))
        lowered = func.lower(Lead.lead_id)
        return select(Lead.lead_id).where(*mine, *_begins(lowered, form)).order_by(lowered, Lead.lead_id).limit(MOST)

    def _beginning(self, form: str) -> Select[str]:
        return _in_order(self._aliases().where(*_begins(LOWERED, form)).subquery())

    def _walked(self, form: str) -> Select[str]:
        """Among the first aliases there are: what many contain is found there, without looking at all who do."""
        return _in_order(self._aliases().order_by(LOWERED, Alias.lead_id).limit(WALK).subquery(), form)

    def _anywhere(self, form: str) -> Select[str]:
        """By the trigrams that an alias must have; too short to have any, it is looked for in every alias."""
        keyed = func.trigram_keys(Alias.unit_id, LOWERED).op("@>")(func.trigram_keys(self.scope.unit_id, form))
        matching = self._aliases() if len(form) < TRIGRAM else self._aliases().where(keyed)
        # Materialized, lest the planner walks all aliases in order until it has met enough.
        return _in_order(matching.cte().prefix_with("MATERIALIZED"), form)

    def _aliases(self) -> Select[str, str]:
        return select(Alias.lead_id, LOWERED.label("lowered")).where(Alias.unit_id == self.scope.unit_id)

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


def _begins(column: ColumnElement[str], form: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """As a range, which an index serves whatever the planner knows of the parameter."""
    return column >= form, column < form + LAST_CHARACTER


def _in_order(aliases: FromClause, form: str = "") -> Select[str]:
    """The leads of the first aliases that contain it."""
    query = select(aliases.c.lead_id).where(func.strpos(aliases.c.lowered, form) > 0)
    return query.order_by(aliases.c.lowered, aliases.c.lead_id).limit(ENOUGH)


def _forms(sought: str) -> Sequence[str]:
    """What is sought in lower case: ids and aliases compare byte by byte, so PostgreSQL lowers only their ASCII."""
    return sorted({sought.lower(), "".join(letter.lower() if letter.isascii() else letter for letter in sought)})
