"""Resolves the lead of each event: drops repeated and deleted events, looks up aliases, creates and locks leads.

Locks are always taken in this order: idempotency keys, then aliases, then leads, each sorted. An alias moves to another
lead only while its lead is locked, so existing aliases are read without a lock.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

import asyncpg

from leadvibe.identity.keys import KeyClaim, claim_keys, release_keys
from leadvibe.identity.locks import IdentityChanged, LeadKey, LockedLead, Redirects, lock_or_create_leads
from leadvibe.identity.resolution import Conflict, Identity, Resolution, UnresolvedEvent
from leadvibe.identity.strong_identifiers import AliasKey
from leadvibe.identity.tombstones import (
    TombstoneKey,
    alias_digest,
    lead_digest,
    read_tombstones,
    surviving_identifiers,
    units_with_tombstones,
)

READ_ALIASES = """
SELECT aliases.unit_id, aliases.kind, aliases.value, aliases.lead_id, aliases.original_lead_id
FROM aliases JOIN unnest($1::text[], $2::text[], $3::text[]) AS requested (unit_id, kind, value)
  ON aliases.unit_id = requested.unit_id AND aliases.kind = requested.kind AND aliases.value = requested.value
"""


@dataclass(slots=True)
class Identified:
    """The leads of a batch's countable events; repeated and deleted events are left out."""

    leads: dict[LeadKey, LockedLead] = field(default_factory=dict[LeadKey, LockedLead])
    identities: dict[UUID, Identity] = field(default_factory=dict[UUID, Identity])
    """By event id, in the order of the batch."""
    conflicts: list[Conflict] = field(default_factory=list[Conflict])
    """Identifiers of events that belong to other leads."""

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
    resolution = Resolution(await _read_aliases(connection, countable), redirects)
    await resolution.read_strong_kinds(connection, countable)
    result = Identified({}, {event.event_id: resolution.resolve(event) for event in countable}, resolution.conflicts)
    await resolution.attach_aliases(connection)
    leads = {(event.unit_id, result.identities[event.event_id].lead_id) for event in countable}
    result.leads = await lock_or_create_leads(connection, sorted(leads), resolution.existing)
    if list(await _without_deleted(connection, countable)) != list(countable):
        # A deletion committed after the first check, and this or another transaction created the lead again.
        raise IdentityChanged
    await resolution.check_strong_kinds(connection)
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
