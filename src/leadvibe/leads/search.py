"""Finds leads by the start of their id or by a part of one of their aliases, however the case or phone is written."""

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
from leadvibe.identity.aliases import AliasKind
from leadvibe.identity.case_folding import fold_case
from leadvibe.identity.display import display_aliases
from leadvibe.identity.models import Alias
from leadvibe.identity.phones import AFTER_COUNTRY_CODE, PhonePart, phone_parts
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
FOLDED_VALUE = func.coalesce(Alias.folded_value, func.lower(Alias.value))
FOLDED_ID = func.coalesce(Lead.folded_id, func.lower(Lead.lead_id))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an alias must contain to match."""

    text: str
    """With folded case."""
    kind: AliasKind | None = None
    """The kind of the alias; None for any kind."""
    pattern: str | None = None
    """A regular expression that the value must match, too."""
    only_at_start: bool = False


Lookup = Callable[[Wanted], Awaitable[Sequence[str]]]
"""Returns the ids of the leads with such an alias."""


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
        text, wanted = fold_case(query), _wanted(query, self.scope.phone_region)
        by_id = list(await self.session.scalars(self.id_prefix(text)))
        merged = await self._merged(text, by_id) if len(by_id) < MAX_MATCHES else {}
        by_id += merged
        by_alias = await self._look_up(
            wanted, [self._by_alias_prefix, self._by_sampled_alias, self._by_alias_part], found_before=by_id
        )
        searched = [each.text for each in wanted]
        aliases = await display_aliases(self.session, self.scope, [*by_id, *by_alias], like=searched)
        return [
            *(LeadMatch(lead_id, "id", aliases.get(lead_id), merged.get(lead_id)) for lead_id in by_id),
            *(LeadMatch(lead_id, "alias", aliases.get(lead_id)) for lead_id in by_alias),
        ]

    async def _look_up(
        self, wanted: Sequence[Wanted], lookups: Sequence[Lookup], *, found_before: Sequence[str]
    ) -> list[str]:
        """The leads that the lookups add to those found before; stops as soon as there are enough."""
        found: dict[str, None] = {}
        for lookup in lookups:
            for each in wanted:
                found |= dict.fromkeys(await lookup(each))
            if len(found.keys() | set(found_before)) >= MAX_MATCHES:
                break
        return [lead_id for lead_id in found if lead_id not in found_before][: MAX_MATCHES - len(found_before)]

    async def _merged(self, text: str, found_before: Sequence[str]) -> dict[str, str]:
        """The leads that merged leads with such an id belong to now, each with the first of those ids."""
        found: dict[str, str] = {}
        while len(found) + len(found_before) < MAX_MATCHES:
            query = self.merged_id_prefix(text, excluded=[*found_before, *found])
            rows = (await self.session.execute(query)).all()
            for survivor, lead_id in rows:
                found.setdefault(str(survivor), lead_id)
            if len(rows) < ALIASES_PER_QUERY:
                break
        return dict(list(found.items())[: MAX_MATCHES - len(found_before)])

    async def _by_alias_prefix(self, wanted: Wanted) -> Sequence[str]:
        if wanted.pattern is not None:
            return ()
        return await self._enough_leads(lambda excluded: self.alias_prefix(wanted, excluded=excluded))

    async def _by_sampled_alias(self, wanted: Wanted) -> Sequence[str]:
        if wanted.only_at_start:
            return ()
        found = (await self.session.scalars(self.sampled_alias(wanted))).all()
        # Up to MAX_MATCHES of them may already be found by id.
        return found if len(set(found)) >= 2 * MAX_MATCHES else ()

    async def _by_alias_part(self, wanted: Wanted) -> Sequence[str]:
        if wanted.only_at_start:
            return ()
        trigrams = sorted({wanted.text[start : start + 3] for start in range(len(wanted.text) - 2)})
        counted = (await self.session.execute(self.rarest_trigrams(trigrams))).all() if trigrams else ()
        selective = list(_selective_trigrams(counted))
        return await self._enough_leads(lambda excluded: self.alias_part(wanted, selective, excluded=excluded))

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

    def id_prefix(self, text: str) -> Select[str]:
        searched = (Lead.unit_id == self.scope.unit_id, Lead.merged_into.is_(None), *_starts_with(FOLDED_ID, text))
        return select(Lead.lead_id).where(*searched).order_by(FOLDED_ID, Lead.lead_id).limit(MAX_MATCHES)

    def merged_id_prefix(self, text: str, *, excluded: Sequence[str] = ()) -> Select[str | None, str]:
        """The surviving lead and the id of merged leads whose id starts with the text."""
        searched = [Lead.unit_id == self.scope.unit_id, Lead.merged_into.is_not(None)]
        if excluded:
            searched.append(Lead.merged_into != all_(literal(excluded, ARRAY(Text))))
        query = select(Lead.merged_into, type_coerce(Lead.lead_id, Text)).where(
            *searched, *_starts_with(FOLDED_ID, text)
        )
        return query.order_by(FOLDED_ID, Lead.lead_id).limit(ALIASES_PER_QUERY)

    def alias_prefix(self, wanted: Wanted, *, excluded: Sequence[str] = ()) -> Select[str]:
        query = select(Alias.lead_id).where(*self._aliases_except(excluded)).limit(ALIASES_PER_QUERY)
        if wanted.kind is None:
            return query.where(*_starts_with(FOLDED_VALUE, wanted.text)).order_by(FOLDED_VALUE, Alias.lead_id)
        # The primary key serves this: the values of one kind are sorted, and phone numbers have no case.
        return query.where(
            Alias.kind == wanted.kind, *_starts_with(type_coerce(Alias.value, Text), wanted.text)
        ).order_by(Alias.value)

    def sampled_alias(self, wanted: Wanted) -> Select[str]:
        """Aliases of the sample that match. The sample is always the same, so results are stable."""
        sample = self._sample()
        query = select(sample.c.lead_id).where(*_contains(sample.c.folded, sample.c.kind, wanted))
        return query.order_by(sample.c.folded, sample.c.lead_id)

    def rarest_trigrams(self, trigrams: Sequence[str]) -> Select[str, int]:
        """The rarest of these trigrams, each with its number of aliases in the sample."""
        sample, trigram = self._sample(), func.unnest(literal(trigrams, ARRAY(Text))).column_valued("trigram")
        aliases = func.count(sample.c.lead_id)
        counted = select(trigram, aliases).outerjoin(sample, func.strpos(sample.c.folded, trigram) > 0)
        return counted.group_by(trigram).order_by(aliases, trigram).limit(MAX_TRIGRAMS)

    def alias_part(self, wanted: Wanted, trigrams: Sequence[str], *, excluded: Sequence[str] = ()) -> Select[str]:
        """Aliases that match, looked up by trigrams of the text. Without trigrams, every alias is compared."""
        keys = array([func.key_of(self.scope.unit_id, trigram, type_=BigInteger) for trigram in trigrams])
        has_keys = [func.trigram_keys(Alias.unit_id, FOLDED_VALUE).op("@>")(keys)] if trigrams else []
        matching = (
            select(Alias.lead_id, FOLDED_VALUE.label("folded"))
            .where(
                *self._aliases_except(excluded),
                *has_keys,
                *_contains(FOLDED_VALUE, type_coerce(Alias.kind, Text), wanted),
            )
            .limit(ALIASES_PER_QUERY)
            .subquery()
        )
        return select(matching.c.lead_id).order_by(matching.c.folded, matching.c.lead_id)

    def _aliases_except(self, excluded: Sequence[str]) -> Iterator[ColumnElement[bool]]:
        yield Alias.unit_id == self.scope.unit_id
        if excluded:
            yield Alias.lead_id != all_(literal(excluded, ARRAY(Text)))

    def _sample(self) -> Subquery:
        """The first aliases by their own id, which is random."""
        columns = Alias.lead_id, Alias.kind, FOLDED_VALUE.label("folded")
        query = select(*columns).where(Alias.unit_id == self.scope.unit_id)
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


def _contains(value: ColumnElement[str], kind: ColumnElement[str], wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    yield func.strpos(value, wanted.text) > 0
    if wanted.kind is not None:
        yield kind == wanted.kind
    if wanted.pattern is not None:
        yield value.regexp_match(wanted.pattern)


def _wanted(query: str, phone_region: str | None) -> list[Wanted]:
    """The text as it was written, and the forms of phone numbers that were written like this."""
    text = fold_case(query)
    phones = (_wanted_phone(part) for part in phone_parts(query, phone_region) if part.text != text)
    return [Wanted(text), *phones]


def _wanted_phone(part: PhonePart) -> Wanted:
    pattern = AFTER_COUNTRY_CODE + part.text if part.place == "after country code" else None
    return Wanted(part.text, "phone", pattern, only_at_start=part.place == "start")
