"""Finds leads by the beginning of their id or by a part of one of their aliases."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Row, Select, Subquery, Text, all_, func, literal, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.scope import Scope
from leadvibe.identity.display import display_aliases
from leadvibe.identity.models import Alias
from leadvibe.leads.models import Lead

SHORTEST = 2
LAST_CHARACTER = "\U0010ffff"
MOST = 10
ENOUGH = 200
"""Aliases that are read at once: several may be one lead's."""
SAMPLE = 2_000
TELLING_TRIGRAMS = 3
FEW, COMMON = 1 / 1_000, 1 / 10
"""Shares of all aliases: so few are soon compared one by one; what so many have narrows nothing down."""
LOWERED = func.lower(Alias.value)

Look = Callable[[str], Awaitable[Sequence[str]]]


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
        by_alias = await self._first(forms, [self._beginning, self._sampled, self._anywhere], known=by_id)
        best = await display_aliases(self.session, self.scope, [*by_id, *by_alias], like=forms)
        return [
            *(LeadMatch(lead_id, "id", best.get(lead_id)) for lead_id in by_id),
            *(LeadMatch(lead_id, "alias", best.get(lead_id)) for lead_id in by_alias),
        ]

    async def _first(self, forms: Sequence[str], looks: Sequence[Look], *, known: Sequence[str] = ()) -> list[str]:
        """The leads that these looks find one after another, until they are enough with those that are known."""
        found: dict[str, None] = {}
        for look in looks:
            for form in forms:
                found |= dict.fromkeys(await look(form))
            if len(found.keys() | set(known)) >= MOST:
                break
        return [lead_id for lead_id in found if lead_id not in known][: MOST - len(known)]

    async def _ids(self, form: str) -> Sequence[str]:
        return (await self.session.scalars(self.ids(form))).all()

    async def _beginning(self, form: str) -> Sequence[str]:
        return await self._several(lambda but: self.beginning(form, but=but))

    async def _sampled(self, form: str) -> Sequence[str]:
        found = (await self.session.scalars(self.sampled(form))).all()
        return found if len(set(found)) >= 2 * MOST else ()  # half of them may be known by their id

    async def _anywhere(self, form: str) -> Sequence[str]:
        trigrams = sorted({form[start : start + 3] for start in range(len(form) - 2)})
        counted = (await self.session.execute(self.rarest(trigrams))).all() if trigrams else ()
        telling = list(_telling(counted))
        return await self._several(lambda but: self.anywhere(form, telling, but=but))

    async def _several(self, look: Callable[[Sequence[str]], Select[str]]) -> Sequence[str]:
        """The leads that a look at aliases finds; where few leads have all that it read, it looks past those."""
        found: dict[str, None] = {}
        while True:
            aliases = (await self.session.scalars(look(list(found)))).all()
            found |= dict.fromkeys(aliases)
            if len(aliases) < ENOUGH or len(found) >= 2 * MOST:  # half of them may be known by their id
                return list(found)

    def ids(self, form: str) -> Select[str]:
        lowered = func.lower(Lead.lead_id)
        mine = (Lead.unit_id == self.scope.unit_id, Lead.merged_into.is_(None))
        return select(Lead.lead_id).where(*mine, *_begins(lowered, form)).order_by(lowered, Lead.lead_id).limit(MOST)

    def beginning(self, form: str, *, but: Sequence[str] = ()) -> Select[str]:
        query = select(Alias.lead_id).where(*self._of_others(but), *_begins(LOWERED, form))
        return query.order_by(LOWERED, Alias.lead_id).limit(ENOUGH)

    def sampled(self, form: str) -> Select[str]:
        """Who has it in a sample, that is the same every time: what many have is found there."""
        sample = self._sample()
        query = select(sample.c.lead_id).where(func.strpos(sample.c.lowered, form) > 0)
        return query.order_by(sample.c.lowered, sample.c.lead_id)

    def rarest(self, trigrams: Sequence[str]) -> Select[str, int]:
        """Those that tell the most, and how often the sample has them: to look up what everybody has costs the most."""
        sample, asked = self._sample(), func.unnest(literal(trigrams, ARRAY(Text))).column_valued("trigram")
        times = func.count(sample.c.lead_id)
        counted = select(asked, times).outerjoin(sample, func.strpos(sample.c.lowered, asked) > 0).group_by(asked)
        return counted.order_by(times, asked).limit(TELLING_TRIGRAMS)

    def anywhere(self, form: str, trigrams: Sequence[str], *, but: Sequence[str] = ()) -> Select[str]:
        """By trigrams that it has; too short to have any, it is looked for in every alias."""
        keys = array([func.key_of(self.scope.unit_id, trigram, type_=BigInteger) for trigram in trigrams])
        keyed = [func.trigram_keys(Alias.unit_id, LOWERED).op("@>")(keys)] if trigrams else []
        matching = (
            select(Alias.lead_id, LOWERED.label("lowered"))
            .where(*self._of_others(but), *keyed, func.strpos(LOWERED, form) > 0)
            .limit(ENOUGH)
            .subquery()
        )
        return select(matching.c.lead_id).order_by(matching.c.lowered, matching.c.lead_id)

    def _of_others(self, but: Sequence[str]) -> Iterator[ColumnElement[bool]]:
        yield Alias.unit_id == self.scope.unit_id
        if but:
            yield Alias.lead_id != all_(literal(but, ARRAY(Text)))

    def _sample(self) -> Subquery:
        """Aliases' own ids are random."""
        query = select(Alias.lead_id, LOWERED.label("lowered")).where(Alias.unit_id == self.scope.unit_id)
        return query.order_by(Alias.alias_id).limit(SAMPLE).subquery()


def _telling(counted: Iterable[Row[str, int]]) -> Iterator[str]:
    """The rarest, and more of them as long as many aliases may have all so far and each narrows them down."""
    left = 1.0
    for trigram, times in counted:
        share = (times + 1) / SAMPLE
        if left <= FEW or (left < 1 and share > COMMON):
            return
        yield trigram
        left *= share


def _begins(column: ColumnElement[str], form: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """As a range, which an index serves whatever the planner knows of the parameter."""
    return column >= form, column < form + LAST_CHARACTER


def _forms(sought: str) -> Sequence[str]:
    """What is sought in lower case: ids and aliases compare byte by byte, so PostgreSQL lowers only their ASCII.

    Letters beyond it are found as they were typed, all small or all in capitals.
    """
    return sorted({sought.lower(), _ascii_lower(sought), _ascii_lower(sought.upper())})


def _ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)
