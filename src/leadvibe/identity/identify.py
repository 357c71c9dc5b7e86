"""Resolves the lead of each event: drops repeated and deleted events, looks up aliases, creates and locks leads.

Locks are always taken in this order: idempotency keys, then aliases, then leads, each sorted. An alias moves to another
lead only while its lead is locked, so existing aliases are read without a lock.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from leadvibe.core.ids import new_id
from leadvibe.identity.aliases import Identifier
from leadvibe.identity.keys import KeyClaim, claim_keys, release_keys
from leadvibe.identity.locks import IdentityChanged, LeadKey, LockedLead, Redirects, lock_or_create_leads
from leadvibe.identity.tombstones import (
    TombstoneKey,
    alias_digest,
    lead_digest,
    read_tombstones,
    surviving_identifiers,
    units_with_tombstones,
)

AliasKey = tuple[str, str, str]
"""(unit_id, kind, value)"""

READ_ALIASES = """
SELECT aliases.unit_id, aliases.kind, aliases.value, aliases.lead_id, aliases.original_lead_id
FROM aliases JOIN unnest($1::text[], $2::text[], $3::text[]) AS requested (unit_id, kind, value)
  ON aliases.unit_id = requested.unit_id AND aliases.kind = requested.kind AND aliases.value = requested.value
"""

ATTACH_ALIASES = """
INSERT INTO aliases (unit_id, kind, value, raw_value, lead_id, original_lead_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
ON CONFLICT DO NOTHING
RETURNING 1
"""

WRITE_CONFLICTS = """
INSERT INTO timeline_entries (unit_id, lead_id, kind, subject, occurred_at, data)
SELECT unit_id, lead_id, 'alias_conflict', subject, clock_timestamp(), data
FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[]) AS conflicts (unit_id, lead_id, subject, data)
ON CONFLICT DO NOTHING
"""


class UnresolvedEvent(NamedTuple):
    """The identifiers of an event: those of its lead, and the key that detects a repeated event."""

    unit_id: str
    event_id: UUID
    received_at: datetime
    lead_id: str | None
    identifiers: Sequence[Identifier]
    """The strongest first."""
    idempotency_key: str | None = None


class Identity(NamedTuple):
    """The lead that an event belongs to."""

    lead_id: str
    original_lead_id: str | None
    """The lead that the event named, if that one was merged into another."""


@dataclass(slots=True)
class Identified:
    """The leads of a batch's countable events; repeated and deleted events are left out."""

    leads: dict[LeadKey, LockedLead] = field(default_factory=dict[LeadKey, LockedLead])
    identities: dict[UUID, Identity] = field(default_factory=dict[UUID, Identity])
    """By event id, in the order of the batch."""

    @property
    def new_leads(self) -> Counter[str]:
        """How many leads were created, by OU."""
        return Counter(lead.unit_id for lead in self.leads.values() if lead.is_new)


async def identify(
    connection: asyncpg.Connection, events: Sequence[UnresolvedEvent], redirects: Redirects
) -> Identified:
    """Resolve and lock the lead of each event.

    Raises IdentityChanged if another transaction changed one of the identities meanwhile; see `until_stable`.
    """
    not_deleted = await _without_deleted(connection, events)
    await _release_keys_of_dropped(connection, events, not_deleted)
    countable = await _first_of_each_key(connection, not_deleted)
    resolution = _Resolution(await _read_aliases(connection, countable), redirects)
    result = Identified({}, {event.event_id: resolution.resolve(event) for event in countable})
    await resolution.attach_aliases(connection)
    leads = {(event.unit_id, result.identities[event.event_id].lead_id) for event in countable}
    result.leads = await lock_or_create_leads(connection, sorted(leads), resolution.existing)
    if list(await _without_deleted(connection, countable)) != list(countable):
        # A deletion committed after the first check, and this or another transaction created the lead again.
        raise IdentityChanged
    await resolution.write_conflicts(connection)
    return result


async def _without_deleted(
    connection: asyncpg.Connection, events: Sequence[UnresolvedEvent]
) -> Sequence[UnresolvedEvent]:
    """Leave out events that were received before their lead was deleted."""
    units = await units_with_tombstones(connection, {event.unit_id for event in events})
    if not units:
        return events
    deleted = await read_tombstones(
        connection, (digest for event in events if event.unit_id in units for digest in _digests(event))
    )
    if not deleted:
        return events
    checked = (_without_deleted_identifiers(event, deleted) for event in events)
    return [event for event in checked if event is not None]


def _digests(event: UnresolvedEvent) -> list[TombstoneKey]:
    digests = [(event.unit_id, alias_digest(each.kind, each.value)) for each in event.identifiers]
    return digests if event.lead_id is None else [(event.unit_id, lead_digest(event.lead_id)), *digests]


def _without_deleted_identifiers(
    event: UnresolvedEvent, deleted: Mapping[TombstoneKey, datetime]
) -> UnresolvedEvent | None:
    surviving = surviving_identifiers(event.lead_id, event.identifiers, partial(_is_deleted, deleted, event))
    if surviving is None:
        return None
    return event if len(surviving) == len(event.identifiers) else event._replace(identifiers=surviving)


def _is_deleted(deleted: Mapping[TombstoneKey, datetime], event: UnresolvedEvent, digest: bytes) -> bool:
    deleted_at = deleted.get((event.unit_id, digest))
    return deleted_at is not None and event.received_at <= deleted_at


async def _release_keys_of_dropped(
    connection: asyncpg.Connection, events: Sequence[UnresolvedEvent], not_deleted: Sequence[UnresolvedEvent]
) -> None:
    if len(events) > len(not_deleted):
        remaining = {event.event_id for event in not_deleted}
        await release_keys(connection, _claims(event for event in events if event.event_id not in remaining))


async def _first_of_each_key(
    connection: asyncpg.Connection, events: Sequence[UnresolvedEvent]
) -> Sequence[UnresolvedEvent]:
    """The events whose idempotency key belongs to them, and those without a key.

    A key is claimed when its event is accepted. An event that an earlier version accepted claims its key here.
    """
    claims = _claims(events)
    if not claims:
        return events
    holders = await claim_keys(connection, claims)
    return [
        event
        for event in events
        if event.idempotency_key is None or holders[event.unit_id, event.idempotency_key] == event.event_id
    ]


def _claims(events: Iterable[UnresolvedEvent]) -> list[KeyClaim]:
    return [
        KeyClaim(event.unit_id, event.idempotency_key, event.event_id)
        for event in events
        if event.idempotency_key is not None
    ]


async def _read_aliases(connection: asyncpg.Connection, events: Iterable[UnresolvedEvent]) -> dict[AliasKey, Identity]:
    keys = {(event.unit_id, each.kind, each.value) for event in events for each in event.identifiers}
    if not keys:
        return {}
    rows = await connection.fetch(READ_ALIASES, *map(list, zip(*keys, strict=True)))
    return {(unit_id, kind, value): Identity(lead_id, original) for unit_id, kind, value, lead_id, original in rows}


class _Resolution:
    """Resolves a batch event by event. It keeps track of the aliases and their leads."""

    def __init__(self, aliases: dict[AliasKey, Identity], redirects: Redirects) -> None:
        self.aliases = aliases
        self.redirects = redirects
        self.existing: set[LeadKey] = {(unit_id, identity.lead_id) for (unit_id, _, _), identity in aliases.items()}
        """The leads of stored aliases. One that is missing now was deleted meanwhile."""
        self.attached: dict[AliasKey, tuple[str, Identity]] = {}
        """New aliases, each with its raw value."""
        self.conflicts: dict[tuple[str, str, str], tuple[str, str]] = {}
        """(unit_id, lead_id, alias) → (holder, claimant)"""

    def resolve(self, event: UnresolvedEvent) -> Identity:
        """The lead that the event names, else the lead of its strongest known identifier, else a new lead."""
        unit_id = event.unit_id
        keys = [(unit_id, each.kind, each.value) for each in event.identifiers]
        identity = self._follow_merges(unit_id, self._find(event.lead_id, keys))
        for key, identifier in zip(keys, event.identifiers, strict=True):
            if key not in self.aliases:
                self.aliases[key] = identity
                self.attached[key] = (identifier.raw_value, identity)
            elif (holder := self._follow_merges(unit_id, self.aliases[key]).lead_id) != identity.lead_id:
                alias, pair = f"{identifier.kind}:{identifier.value}", (holder, identity.lead_id)
                self.conflicts[unit_id, holder, alias] = self.conflicts[unit_id, identity.lead_id, alias] = pair
        return identity

    def _find(self, lead_id: str | None, keys: Sequence[AliasKey]) -> Identity:
        if lead_id is not None:
            return Identity(lead_id, None)
        return next((self.aliases[key] for key in keys if key in self.aliases), None) or Identity(new_id("ld"), None)

    def _follow_merges(self, unit_id: str, identity: Identity) -> Identity:
        while (target := self.redirects.get((unit_id, identity.lead_id))) is not None:
            identity = Identity(target, identity.original_lead_id or identity.lead_id)
        return identity

    async def attach_aliases(self, connection: asyncpg.Connection) -> None:
        if not self.attached:
            return
        rows = [(*key, raw_value, *identity) for key, (raw_value, identity) in sorted(self.attached.items())]
        if len(await connection.fetch(ATTACH_ALIASES, *map(list, zip(*rows, strict=True)))) < len(rows):
            raise IdentityChanged(self.redirects)

    async def write_conflicts(self, connection: asyncpg.Connection) -> None:
        """Show on the timelines of both leads that an event had an alias which belongs to another lead."""
        if not self.conflicts:
            return
        rows = [
            (unit_id, lead_id, alias, _conflict(alias, holder, claimant))
            for (unit_id, lead_id, alias), (holder, claimant) in sorted(self.conflicts.items())
        ]
        await connection.execute(WRITE_CONFLICTS, *map(list, zip(*rows, strict=True)))


def _conflict(alias: str, holder: str, claimant: str) -> str:
    return msgspec.json.encode({"alias": alias, "holder": holder, "claimant": claimant}).decode()
