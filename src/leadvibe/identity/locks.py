"""Locks the leads of events, and starts over when an identity changes before its lock."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import asyncpg

from leadvibe.identity.case_folding import fold_case_unless_ascii

T = TypeVar("T")

LeadKey = tuple[str, str]
"""(unit_id, lead_id)"""

Redirects = Mapping[LeadKey, str]
"""Merged leads and the lead that each was merged into."""

LOCK_LEADS: Final = """
SELECT leads.unit_id, leads.lead_id, leads.merged_into, leads.standing, leads.ledger_at
FROM leads JOIN unnest($1::text[], $2::text[]) AS requested (unit_id, lead_id)
  ON leads.unit_id = requested.unit_id AND leads.lead_id = requested.lead_id
ORDER BY leads.unit_id, leads.lead_id
FOR NO KEY UPDATE OF leads
"""

CREATE_LEADS: Final = """
INSERT INTO leads (unit_id, lead_id, folded_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT DO NOTHING
RETURNING unit_id, lead_id
"""


class IdentityChanged(Exception):
    """Another transaction changed an identity between our read and our lock: resolve again, with these redirects."""

    def __init__(self, redirects: Redirects | None = None) -> None:
        super().__init__("an identity changed before it was locked")
        self.redirects = dict(redirects or {})


async def until_stable(attempt: Callable[[Redirects], Awaitable[T]]) -> T:
    """Repeat an attempt with all known redirects until no identity changes while it runs."""
    redirects: dict[LeadKey, str] = {}
    while True:
        try:
            return await attempt(redirects)
        except IdentityChanged as change:
            redirects |= change.redirects


@dataclass(frozen=True, slots=True)
class LockedLead:
    """A lead that this transaction has locked, as it was before the batch."""

    unit_id: str
    lead_id: str
    standing: bytes | None
    ledger_at: datetime | None
    is_new: bool = False
    """Created by this transaction."""


async def lock_or_create_leads(
    connection: asyncpg.Connection, leads: Sequence[LeadKey], existing: Collection[LeadKey]
) -> dict[LeadKey, LockedLead]:
    """Lock these leads, and create the missing ones except those that are known to have existed.

    Raises IdentityChanged if a lead was merged or deleted before it was locked.
    """
    locked = await _lock_existing(connection, leads)
    missing = [lead for lead in leads if lead not in locked]
    if any(lead in existing for lead in missing):
        raise IdentityChanged
    if missing:
        columns = [unit for unit, _ in missing], [lead for _, lead in missing]
        rows = await connection.fetch(CREATE_LEADS, *columns, [fold_case_unless_ascii(lead) for _, lead in missing])
        locked |= {
            (unit_id, lead_id): LockedLead(unit_id, lead_id, None, None, is_new=True) for unit_id, lead_id in rows
        }
        locked |= await _lock_existing(connection, [lead for lead in missing if lead not in locked])
    return locked


async def _lock_existing(connection: asyncpg.Connection, leads: Sequence[LeadKey]) -> dict[LeadKey, LockedLead]:
    if not leads:
        return {}
    rows = await connection.fetch(LOCK_LEADS, [unit for unit, _ in leads], [lead for _, lead in leads])
    merged = {(unit_id, lead_id): target for unit_id, lead_id, target, _, _ in rows if target is not None}
    if merged:
        raise IdentityChanged(merged)
    return {
        (unit_id, lead_id): LockedLead(unit_id, lead_id, standing, ledger_at)
        for unit_id, lead_id, _, standing, ledger_at in rows
    }
