"""Says whose each event is: drops what is repeated or deleted, resolves aliases, creates leads, locks what it found.

One lock order everywhere: idempotency keys, then aliases, then leads, each sorted. An alias changes hands only under
its lead's lock, so one that exists is read without a lock of its own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple

import asyncpg
import msgspec

from leadvibe.core.ids import new_id
from leadvibe.events.inbox import Received
from leadvibe.leads.tombstones import Grave, alias_digest, graves, lead_digest, outlived, units_with_graves
from leadvibe.scoring.claim import Waiting

LeadKey = tuple[str, str]
"""(unit_id, lead_id)"""

AliasKey = tuple[str, str, str]
"""(unit_id, kind, value)"""

Arrived = tuple[Waiting, Received]

USE_KEYS = """
INSERT INTO idempotency_keys (unit_id, key, event_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[])
ON CONFLICT DO NOTHING
RETURNING event_id
"""

READ_ALIASES = """
SELECT aliases.unit_id, aliases.kind, aliases.value, aliases.lead_id, aliases.original_lead_id
FROM aliases JOIN unnest($1::text[], $2::text[], $3::text[]) AS named (unit_id, kind, value)
  ON aliases.unit_id = named.unit_id AND aliases.kind = named.kind AND aliases.value = named.value
"""

ATTACH_ALIASES = """
INSERT INTO aliases (unit_id, kind, value, raw_value, lead_id, original_lead_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
ON CONFLICT DO NOTHING
RETURNING 1
"""

LOCK_LEADS = """
SELECT leads.unit_id, leads.lead_id, leads.merged_into, leads.standing, leads.ledger_at
FROM leads JOIN unnest($1::text[], $2::text[]) AS named (unit_id, lead_id)
  ON leads.unit_id = named.unit_id AND leads.lead_id = named.lead_id
ORDER BY leads.unit_id, leads.lead_id
FOR NO KEY UPDATE OF leads
"""

CREATE_LEADS = """
INSERT INTO leads (unit_id, lead_id)
SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT DO NOTHING
RETURNING unit_id, lead_id
"""

NOTE_CONFLICTS = """
INSERT INTO timeline_entries (unit_id, lead_id, kind, subject, occurred_at, data)
SELECT unit_id, lead_id, 'alias_conflict', subject, clock_timestamp(), data
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[]) AS noted (unit_id, lead_id, subject, data)
ON CONFLICT DO NOTHING
"""


class StartOver(Exception):
    """Somebody changed an identity between our look and our lock: the batch begins again, knowing the redirects."""

    def __init__(self, redirects: Mapping[LeadKey, str] | None = None) -> None:
        super().__init__("an identity changed meanwhile")
        self.redirects = dict(redirects or {})


@dataclass(frozen=True, slots=True)
class LockedLead:
    """A lead under this transaction's lock, as it was before the batch."""

    unit_id: str
    lead_id: str
    standing: bytes | None
    ledger_at: datetime | None
    is_new: bool = False
    """Made by this transaction."""


class Identity(NamedTuple):
    """Whose an event is."""

    lead_id: str
    original_lead_id: str | None
    """The lead that it named, where that one was merged into another."""


class OwnedEvent(NamedTuple):
    """A countable event of a lead."""

    waiting: Waiting
    received: Received
    original_lead_id: str | None


@dataclass(slots=True)
class Identified:
    """The batch's countable events, by lead."""

    leads: dict[LeadKey, LockedLead] = field(default_factory=dict[LeadKey, LockedLead])
    events: dict[LeadKey, list[OwnedEvent]] = field(default_factory=dict[LeadKey, list[OwnedEvent]])

    @property
    def new_leads(self) -> Counter[str]:
        """How many were made, by OU."""
        return Counter(lead.unit_id for lead in self.leads.values() if lead.is_new)


async def identify(
    connection: asyncpg.Connection, claimed: Sequence[Waiting], redirects: Mapping[LeadKey, str]
) -> Identified:
    """Whose each event is; StartOver when that changed under our hands."""
    alive = await _without_deleted(connection, [(waiting, waiting.event) for waiting in claimed])
    countable = await _first_of_each_key(connection, alive)
    identities = _Identities(await _read_aliases(connection, countable), redirects)
    result = Identified()
    for waiting, event in countable:
        lead_id, original = identities.resolve(waiting.unit_id, event)
        result.events.setdefault((waiting.unit_id, lead_id), []).append(OwnedEvent(waiting, event, original))
    await identities.attach(connection)
    result.leads = await _lock(connection, sorted(result.events), identities.known)
    if list(await _without_deleted(connection, countable)) != list(countable):
        raise StartOver  # a deletion committed after our first look, and somebody made the lead anew: perhaps we
    await identities.note_conflicts(connection)
    return result


async def _without_deleted(connection: asyncpg.Connection, arrived: Sequence[Arrived]) -> Sequence[Arrived]:
    """What was received before its lead was deleted never brings the lead back."""
    units = await units_with_graves(connection, {waiting.unit_id for waiting, _ in arrived})
    if not units:
        return arrived
    named = {w.event_id: _digests(w.unit_id, event) if w.unit_id in units else [] for w, event in arrived}
    deleted = await graves(connection, (grave for digests in named.values() for grave in digests))
    if not deleted:
        return arrived
    looked_at = ((waiting, outlived(event, partial(_buried, deleted, waiting))) for waiting, event in arrived)
    return [(waiting, event) for waiting, event in looked_at if event is not None]


def _buried(deleted: Mapping[Grave, datetime], waiting: Waiting, digest: bytes) -> bool:
    deleted_at = deleted.get((waiting.unit_id, digest))
    return deleted_at is not None and waiting.received_at <= deleted_at


def _digests(unit_id: str, event: Received) -> list[Grave]:
    digests = [(unit_id, alias_digest(alias.kind, alias.value)) for alias in event.aliases]
    return digests if event.lead_id is None else [(unit_id, lead_digest(event.lead_id)), *digests]


async def _first_of_each_key(connection: asyncpg.Connection, arrived: Sequence[Arrived]) -> Sequence[Arrived]:
    """The events whose key nobody used before; those without one all count."""
    first: dict[tuple[str, str], Waiting] = {}
    for waiting, event in arrived:
        if event.idempotency_key is not None:
            first.setdefault((waiting.unit_id, event.idempotency_key), waiting)
    if not first:
        return arrived
    keys = sorted(first)
    used = await connection.fetch(
        USE_KEYS, [unit for unit, _ in keys], [key for _, key in keys], [first[key].event_id for key in keys]
    )
    fresh = {row[0] for row in used}
    return [(w, e) for w, e in arrived if e.idempotency_key is None or w.event_id in fresh]


async def _read_aliases(connection: asyncpg.Connection, arrived: Iterable[Arrived]) -> dict[AliasKey, Identity]:
    named = {(waiting.unit_id, alias.kind, alias.value) for waiting, event in arrived for alias in event.aliases}
    if not named:
        return {}
    rows = await connection.fetch(READ_ALIASES, *map(list, zip(*named, strict=True)))
    return {(row[0], row[1], row[2]): Identity(row[3], row[4]) for row in rows}


class _Identities:
    """Aliases and the leads they name, as they stand while the batch is resolved event by event."""

    def __init__(self, aliases: dict[AliasKey, Identity], redirects: Mapping[LeadKey, str]) -> None:
        self.aliases = aliases
        self.redirects = redirects
        self.known: set[LeadKey] = {(unit_id, identity.lead_id) for (unit_id, _, _), identity in aliases.items()}
        """Leads that an alias in the table names: they exist, or were deleted meanwhile."""
        self.attached: dict[AliasKey, tuple[str, Identity]] = {}
        self.conflicts: dict[tuple[str, str, str], tuple[str, str]] = {}

    def resolve(self, unit_id: str, event: Received) -> Identity:
        """The event's lead: the one it names, else the first that its aliases know, else a new one."""
        keys = [(unit_id, alias.kind, alias.value) for alias in event.aliases]
        identity = self._surviving(unit_id, self._named(event.lead_id, keys))
        for key, alias in zip(keys, event.aliases, strict=True):
            if key not in self.aliases:
                self.aliases[key] = identity
                self.attached[key] = (alias.raw_value, identity)
            elif (held_by := self._surviving(unit_id, self.aliases[key]).lead_id) != identity.lead_id:
                subject, pair = f"{alias.kind}:{alias.value}", (held_by, identity.lead_id)
                self.conflicts[unit_id, held_by, subject] = self.conflicts[unit_id, identity.lead_id, subject] = pair
        return identity

    def _named(self, lead_id: str | None, keys: Sequence[AliasKey]) -> Identity:
        if lead_id is not None:
            return Identity(lead_id, None)
        return next((self.aliases[key] for key in keys if key in self.aliases), None) or Identity(new_id("ld"), None)

    def _surviving(self, unit_id: str, identity: Identity) -> Identity:
        while (target := self.redirects.get((unit_id, identity.lead_id))) is not None:
            identity = Identity(target, identity.original_lead_id or identity.lead_id)
        return identity

    async def attach(self, connection: asyncpg.Connection) -> None:
        if not self.attached:
            return
        rows = [(*key, raw_value, *identity) for key, (raw_value, identity) in sorted(self.attached.items())]
        if len(await connection.fetch(ATTACH_ALIASES, *map(list, zip(*rows, strict=True)))) < len(rows):
            raise StartOver(self.redirects)

    async def note_conflicts(self, connection: asyncpg.Connection) -> None:
        """An alias stays with whom it was attached to; both leads' timelines show that another event named it too."""
        if not self.conflicts:
            return
        rows = [
            (unit_id, lead_id, subject, _conflict(subject, holder, claimant))
            for (unit_id, lead_id, subject), (holder, claimant) in sorted(self.conflicts.items())
        ]
        await connection.execute(NOTE_CONFLICTS, *map(list, zip(*rows, strict=True)))


def _conflict(alias: str, holder: str, claimant: str) -> str:
    return msgspec.json.encode({"alias": alias, "holder": holder, "claimant": claimant}).decode()


async def _lock(
    connection: asyncpg.Connection, wanted: Sequence[LeadKey], known: set[LeadKey]
) -> dict[LeadKey, LockedLead]:
    """Lock these leads, making those that don't exist; StartOver where one was merged away or deleted meanwhile."""
    locked = await _lock_existing(connection, wanted)
    missing = [lead for lead in wanted if lead not in locked]
    if any(lead in known for lead in missing):
        raise StartOver
    if missing:
        rows = await connection.fetch(CREATE_LEADS, [unit for unit, _ in missing], [lead for _, lead in missing])
        locked |= {(row[0], row[1]): LockedLead(row[0], row[1], None, None, is_new=True) for row in rows}
        locked |= await _lock_existing(connection, [lead for lead in missing if lead not in locked])
    return locked


async def _lock_existing(connection: asyncpg.Connection, wanted: Sequence[LeadKey]) -> dict[LeadKey, LockedLead]:
    if not wanted:
        return {}
    rows = await connection.fetch(LOCK_LEADS, [unit for unit, _ in wanted], [lead for _, lead in wanted])
    merged = {(row[0], row[1]): row[2] for row in rows if row[2] is not None}
    if merged:
        raise StartOver(merged)
    return {(row[0], row[1]): LockedLead(row[0], row[1], row[3], row[4]) for row in rows}
