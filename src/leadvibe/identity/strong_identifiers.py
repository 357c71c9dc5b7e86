"""Reads which leads have an external id or an e-mail address, so that weaker identifiers don't join two people."""

from collections.abc import Collection, Iterable
from typing import Final

import asyncpg

from leadvibe.identity.aliases import STRENGTH, AliasKind
from leadvibe.identity.locks import LeadKey

STRONG_KINDS: Final[tuple[AliasKind, ...]] = ("external_id", "email")
"""The kinds that belong to one person. A lead with one of them doesn't get another one by a weaker identifier."""

RANKS: Final = {kind: rank for rank, kind in enumerate(STRENGTH)}

# LIMIT stops at the first alias: a lead may have many thousands.
READ_KINDS: Final = """
SELECT requested.unit_id, requested.lead_id, kinds.kind
FROM unnest($1::text[], $2::text[]) AS requested (unit_id, lead_id), unnest($3::text[]) AS kinds (kind),
LATERAL (
    SELECT FROM aliases
    WHERE aliases.unit_id = requested.unit_id AND aliases.lead_id = requested.lead_id AND aliases.kind = kinds.kind
      AND NOT (aliases.kind = ANY($4::text[]) AND (aliases.unit_id, aliases.kind, aliases.value) IN (
          SELECT * FROM unnest($5::text[], $4::text[], $6::text[])
      ))
    LIMIT 1
) AS identifier
"""

AliasKey = tuple[str, str, str]
"""(unit_id, kind, value)"""


async def read_strong_kinds(
    connection: asyncpg.Connection, leads: Collection[LeadKey], *, without: Iterable[AliasKey] = ()
) -> dict[LeadKey, set[str]]:
    """The strong kinds of identifiers that each of these leads has, not counting some aliases."""
    kinds: dict[LeadKey, set[str]] = {lead: set() for lead in leads}
    if not kinds:
        return kinds
    excluded = [key for key in without if key[1] in STRONG_KINDS]
    rows = await connection.fetch(
        READ_KINDS,
        [unit_id for unit_id, _ in kinds],
        [lead_id for _, lead_id in kinds],
        list(STRONG_KINDS),
        [kind for _, kind, _ in excluded],
        [unit_id for unit_id, _, _ in excluded],
        [value for _, _, value in excluded],
    )
    for unit_id, lead_id, kind in rows:
        kinds[unit_id, lead_id].add(kind)
    return kinds
