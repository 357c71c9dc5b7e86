"""Finds leads by the start of their id or by a part of one of their aliases."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Subquery,
    Text,
    all_,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.scope import Scope
from leadvibe.identity.display import display_aliases
from leadvibe.identity.models import Alias
from leadvibe.leads.models import Lead

MIN_QUERY_LENGTH: Final = 2
MAX_MATCHES: Final = 10
ALIASES_PER_QUERY: Final = 200
"""Aliases read by one query. Several of them may belong to one lead."""
SAMPLE_SIZE = 2_000
"""Aliases of the OU that are searched before all of them, and that estimate how common a trigram is."""
MAX_TRIGRAMS: Final = 3
RARE_SHARE: Final = 1 / 1_000
"""If at most this share of all aliases has the chosen trigrams, comparing those aliases one by one is fast."""
COMMON_SHARE: Final = 1 / 10
"""A trigram that a larger share of all aliases has does not narrow the search down."""
LAST_CHARACTER: Final = "\U0010ffff"
LOWER_VALUE = func.lower(Alias.value)

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the ids of the leads that match one spelling of the query."""


@dataclass(frozen=True, slots=True)
class LeadMatch:
    lead_id: str
    match_type: Literal["id", "alias"]
    best_alias: str | None
    merged_from: str | None = None
    """The id that matched, if that lead was merged into this one."""


class LeadSearch:
    """Every query costs about the same in an OU with a thousand leads and in one with a million."""

    def __init__(self, session: AsyncSession, scope: Scope) -> None:
        self.session = session
        self.scope = scope

    async def find(self, query: str) -> list[LeadMatch]:
        """At most ten leads: ids that start with the query, then aliases that start with it, then that contain it.

        The ids of merged leads come after those of other leads.
        """
        if len(query) < MIN_QUERY_LENGTH:
            return []
        spellings = _spellings(query)
        by_id = await self._look_up(spellings, [self._by_id])
        merged = await self._merged(spellings, by_id) if len(by_id) < MAX_MATCHES else {}
        by_id += merged
        by_alias = await self._look_up(
            spellings, [self._by_alias_prefix, self._by_sampled_alias, self._by_alias_part], found_before=by_id
        )
        aliases = await display_aliases(self.session, self.scope, [*by_id, *by_alias], like=spellings)
        return [
            *(LeadMatch(lead_id, "id", aliases.get(lead_id), merged.get(lead_id)) for lead_id in by_id),
            *(LeadMatch(lead_id, "alias", aliases.get(lead_id)) for lead_id in by_alias),
        ]

    async def _look_up(
        self, spellings: Sequence[str], lookups: Sequence[Lookup], *, found_before: Sequence[str] = ()
    ) -> list[str]:
        """The leads that the lookups add to those found before; stops as soon as there are enough."""
        found: dict[str, None] = {}
        for lookup in lookups:
            for spelling in spellings:
                found |= dict.fromkeys(await lookup(spelling))
            if len(found.keys() | set(found_before)) >= MAX_MATCHES:
                break
        return [lead_id for lead_id in found if lead_id not in found_before][: MAX_MATCHES - len(found_before)]

    async def _by_id(self, spelling: str) -> Sequence[str]:
        return (await self.session.scalars(self.id_prefix(spelling))).all()

    async def _by_alias_prefix(self, spelling: str) -> Sequence[str]:
        return await self._enough_leads(lambda excluded: self.alias_prefix(spelling, excluded=excluded))

    async def _merged(self, spellings: Sequence[str], found_before: Sequence[str]) -> dict[str, str]:
        """The leads that merged leads with such an id belong to now, each with the first of those ids."""
        found: dict[str, str] = {}
        for spelling in spellings:
            while len(found) + len(found_before) < MAX_MATCHES:
                query = self.merged_id_prefix(spelling, excluded=[*found_before, *found])
                rows = (await self.session.execute(query)).all()
                for survivor, lead_id in rows:
                    found.setdefault(str(survivor), lead_id)
                if len(rows) < ALIASES_PER_QUERY:
                    break
        return dict(list(found.items())[: MAX_MATCHES - len(found_before)])

    async def _by_sampled_alias(self, spelling: str) -> Sequence[str]:
        found = (await self.session.scalars(self.sampled_alias(spelling))).all()
        # Up to MAX_MATCHES of them may already be found by id.
        return found if len(set(found)) >= 2 * MAX_MATCHES else ()

    async def _by_alias_part(self, spelling: str) -> Sequence[str]:
        trigrams = sorted({spelling[start : start + 3] for start in range(len(spelling) - 2)})
        counted = (await self.session.execute(self.rarest_trigrams(trigrams))).all() if trigrams else ()
        selective = list(_selective_trigrams(counted))
        return await self._enough_leads(lambda excluded: self.alias_part(spelling, selective, excluded=excluded))

    async def _enough_leads(self, query: Callable[[Sequence[str]], Select[str]]) -> Sequence[str]:
        """Repeat a query for aliases, each time without the leads found so far.

        One lead may own all aliases that one query reads.
        """
        found: dict[str, None] = {}
        while True:
            lead_ids = (await self.session.scalars(query(list(found)))).all()
            found |= dict.fromkeys(lead_ids)
            # Up to MAX_MATCHES of them may already be found by id.
            if len(lead_ids) < ALIASES_PER_QUERY or len(found) >= 2 * MAX_MATCHES:
                return list(found)

    def id_prefix(self, spelling: str) -> Select[str]:
        lower_id = func.lower(Lead.lead_id)
        searched = (Lead.unit_id == self.scope.unit_id, Lead.merged_into.is_(None), *_starts_with(lower_id, spelling))
        return select(Lead.lead_id).where(*searched).order_by(lower_id, Lead.lead_id).limit(MAX_MATCHES)

    def merged_id_prefix(self, spelling: str, *, excluded: Sequence[str] = ()) -> Select[str | None, str]:
        """The surviving lead and the id of merged leads whose id starts with the spelling."""
        lower_id = func.lower(Lead.lead_id)
        searched = [Lead.unit_id == self.scope.unit_id, Lead.merged_into.is_not(None)]
        if excluded:
            searched.append(Lead.merged_into != all_(literal(excluded, ARRAY(Text))))
        query = select(Lead.merged_into, type_coerce(Lead.lead_id, Text)).where(
            *searched, *_starts_with(lower_id, spelling)
        )
        return query.order_by(lower_id, Lead.lead_id).limit(ALIASES_PER_QUERY)

    def alias_prefix(self, spelling: str, *, excluded: Sequence[str] = ()) -> Select[str]:
        query = select(Alias.lead_id).where(*self._aliases_except(excluded), *_starts_with(LOWER_VALUE, spelling))
        return query.order_by(LOWER_VALUE, Alias.lead_id).limit(ALIASES_PER_QUERY)

    def sampled_alias(self, spelling: str) -> Select[str]:
        """Aliases of the sample that contain the spelling. The sample is always the same, so results are stable."""
        sample = self._sample()
        query = select(sample.c.lead_id).where(func.strpos(sample.c.lower_value, spelling) > 0)
        return query.order_by(sample.c.lower_value, sample.c.lead_id)

    def rarest_trigrams(self, trigrams: Sequence[str]) -> Select[str, int]:
        """The rarest of these trigrams, each with its number of aliases in the sample."""
        sample, trigram = self._sample(), func.unnest(literal(trigrams, ARRAY(Text))).column_valued("trigram")
        aliases = func.count(sample.c.lead_id)
        counted = select(trigram, aliases).outerjoin(sample, func.strpos(sample.c.lower_value, trigram) > 0)
        return counted.group_by(trigram).order_by(aliases, trigram).limit(MAX_TRIGRAMS)

    def alias_part(self, spelling: str, trigrams: Sequence[str], *, excluded: Sequence[str] = ()) -> Select[str]:
        """Aliases that contain the spelling, looked up by its trigrams. Without trigrams, every alias is compared."""
        keys = array([func.key_of(self.scope.unit_id, trigram, type_=BigInteger) for trigram in trigrams])
        has_keys = [func.trigram_keys(Alias.unit_id, LOWER_VALUE).op("@>")(keys)] if trigrams else []
        matching = (
            select(Alias.lead_id, LOWER_VALUE.label("lower_value"))
            .where(*self._aliases_except(excluded), *has_keys, func.strpos(LOWER_VALUE, spelling) > 0)
            .limit(ALIASES_PER_QUERY)
            .subquery()
        )
        return select(matching.c.lead_id).order_by(matching.c.lower_value, matching.c.lead_id)

    def _aliases_except(self, excluded: Sequence[str]) -> Iterator[ColumnElement[bool]]:
        yield Alias.unit_id == self.scope.unit_id
        if excluded:
            yield Alias.lead_id != all_(literal(excluded, ARRAY(Text)))

    def _sample(self) -> Subquery:
        """The first aliases by their own id, which is random."""
        query = select(Alias.lead_id, LOWER_VALUE.label("lower_value")).where(Alias.unit_id == self.scope.unit_id)
        return query.order_by(Alias.alias_id).limit(SAMPLE_SIZE).subquery()


def _selective_trigrams(counted: Iterable[Row[str, int]]) -> Iterator[str]:
    """The rarest trigram, and further ones while many aliases may have all chosen ones and the next is not common."""
    remaining_share = 1.0
    for trigram, aliases in counted:
        share = (aliases + 1) / SAMPLE_SIZE
        if remaining_share <= RARE_SHARE or (remaining_share < 1 and share > COMMON_SHARE):
            return
        yield trigram
        remaining_share *= share


def _starts_with(column: ColumnElement[str], prefix: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """A range condition: an index serves it even in a generic plan, where LIKE with a parameter gets none."""
    return column >= prefix, column < prefix + LAST_CHARACTER


def _spellings(query: str) -> Sequence[str]:
    """The spellings to look for.

    Ids and aliases have the collation "C", so PostgreSQL's lower() changes only ASCII letters. Other letters match in
    lower case or in upper case, all of them in the same. `test_leads_search.py` covers both.
    """
    return sorted({query.lower(), _lower_ascii(query), _lower_ascii(query.upper())})


def _lower_ascii(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)
