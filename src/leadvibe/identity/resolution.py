"""Resolves the events of a batch one by one: which lead each belongs to, and which identifiers are new."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from leadvibe.core.ids import new_id
from leadvibe.identity.aliases import AliasKind, Identifier
from leadvibe.identity.case_folding import fold_case_unless_ascii
from leadvibe.identity.locks import IdentityChanged, LeadKey, Redirects
from leadvibe.identity.strong_identifiers import RANKS, STRONG_KINDS, AliasKey, read_strong_kinds

ATTACH_ALIASES = """
INSERT INTO aliases (unit_id, kind, value, folded_value, raw_value, lead_id, original_lead_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
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
    first_decides: bool = False
    """The first identifier alone decides which lead it is. The others are attached if no lead has them."""


class Identity(NamedTuple):
    """The lead that an event belongs to."""

    lead_id: str
    original_lead_id: str | None
    """The lead that the event named, if that one was merged into another."""


class Conflict(NamedTuple):
    """An event has an identifier that belongs to another lead than the event."""

    event_id: UUID
    kind: AliasKind


class Resolution:
    """Resolves a batch event by event. It keeps track of the aliases and their leads."""

    def __init__(self, aliases: dict[AliasKey, Identity], redirects: Redirects) -> None:
        self.aliases = aliases
        self.redirects = redirects
        self.existing: set[LeadKey] = {(unit_id, identity.lead_id) for (unit_id, _, _), identity in aliases.items()}
        """The leads of stored aliases. One that is missing now was deleted meanwhile."""
        self.attached: dict[AliasKey, tuple[str, Identity]] = {}
        """New aliases, each with its raw value."""
        self.conflicts: list[Conflict] = []
        self.conflict_entries: dict[tuple[str, str, str], tuple[str, str]] = {}
        """(unit_id, lead_id, alias) → (holder, claimant)"""
        self.strong_kinds: dict[LeadKey, set[str]] = {}
        """The strong kinds of identifiers of the leads that a weaker identifier may lead to."""
        self.stored_strong_kinds: dict[LeadKey, set[str]] = {}
        """The same as they were read, without the new aliases."""
        self.checked: set[LeadKey] = set()
        """Leads that got an event because they had no other identifier of a stronger kind."""

    async def read_strong_kinds(self, connection: asyncpg.Connection, events: Sequence[UnresolvedEvent]) -> None:
        """Read the kinds of all leads that events may resolve to, if an event brings a strong identifier to a lead.

        In most batches no event does, and nothing is read.
        """
        if not any(self._brings_strong_identifier(event) for event in events):
            return
        named = {(event.unit_id, event.lead_id) for event in events if event.lead_id is not None}
        leads = {
            (unit_id, self._follow_merges(unit_id, Identity(lead_id, None)).lead_id)
            for unit_id, lead_id in self.existing | named
        }
        self.strong_kinds = await read_strong_kinds(connection, sorted(leads))
        self.stored_strong_kinds = {lead: set(kinds) for lead, kinds in self.strong_kinds.items()}

    def _brings_strong_identifier(self, event: UnresolvedEvent) -> bool:
        """Whether the event has a strong identifier that nobody has yet, and a weaker one."""
        identifiers = event.identifiers
        if event.lead_id is not None or event.first_decides or len(identifiers) < 2:
            return False
        return any(
            each.kind in STRONG_KINDS
            and RANKS[each.kind] < RANKS[identifiers[-1].kind]
            and (event.unit_id, each.kind, each.value) not in self.aliases
            for each in identifiers
        )

    async def check_strong_kinds(self, connection: asyncpg.Connection) -> None:
        """Raises IdentityChanged if another transaction attached a strong identifier before the leads were locked."""
        if not self.checked:
            return
        stored = {lead for lead in self.checked if lead in self.stored_strong_kinds}
        now = await read_strong_kinds(connection, sorted(stored), without=self.attached)
        if any(now[lead] != self.stored_strong_kinds[lead] for lead in stored):
            raise IdentityChanged(self.redirects)

    def resolve(self, event: UnresolvedEvent) -> Identity:
        """The lead that the event names, else the lead of its strongest known identifier, else a new lead.

        It is also a new lead if the event brings a strong identifier, and the lead of its weaker identifier already
        has another one of that kind.
        """
        unit_id = event.unit_id
        keys = [(unit_id, each.kind, each.value) for each in event.identifiers]
        identity = self._find(event, keys)
        for key, identifier in zip(keys, event.identifiers, strict=True):
            if key not in self.aliases:
                self.aliases[key] = identity
                self.attached[key] = (identifier.raw_value, identity)
                if identifier.kind in STRONG_KINDS:
                    self.strong_kinds.setdefault((unit_id, identity.lead_id), set()).add(identifier.kind)
            elif (holder := self._follow_merges(unit_id, self.aliases[key]).lead_id) != identity.lead_id:
                alias, pair = f"{identifier.kind}:{identifier.value}", (holder, identity.lead_id)
                self.conflicts.append(Conflict(event.event_id, identifier.kind))
                for lead_id in pair:
                    self.conflict_entries[unit_id, lead_id, alias] = pair
        return identity

    def _find(self, event: UnresolvedEvent, keys: Sequence[AliasKey]) -> Identity:
        unit_id = event.unit_id
        if event.lead_id is not None:
            return self._follow_merges(unit_id, Identity(event.lead_id, None))
        new_strong: set[str] = set()
        for key in keys[:1] if event.first_decides else keys:
            if key in self.aliases:
                identity = self._follow_merges(unit_id, self.aliases[key])
                stronger = {kind for kind in new_strong if kind != key[1]}
                if stronger and not stronger.isdisjoint(self._kinds_of(unit_id, identity.lead_id)):
                    break
                return identity
            if key[1] in STRONG_KINDS:
                new_strong.add(key[1])
        return Identity(new_id("ld"), None)

    def _kinds_of(self, unit_id: str, lead_id: str) -> set[str]:
        self.checked.add((unit_id, lead_id))
        return self.strong_kinds.get((unit_id, lead_id), set())

    def _follow_merges(self, unit_id: str, identity: Identity) -> Identity:
        while (target := self.redirects.get((unit_id, identity.lead_id))) is not None:
            identity = Identity(target, identity.original_lead_id or identity.lead_id)
        return identity

    async def attach_aliases(self, connection: asyncpg.Connection) -> None:
        if not self.attached:
            return
        rows = [
            (*key, fold_case_unless_ascii(key[2]), raw_value, *identity)
            for key, (raw_value, identity) in sorted(self.attached.items())
        ]
        if len(await connection.fetch(ATTACH_ALIASES, *map(list, zip(*rows, strict=True)))) < len(rows):
            raise IdentityChanged(self.redirects)

    async def write_conflicts(self, connection: asyncpg.Connection) -> None:
        """Show on the timelines of both leads that an event had an alias which belongs to another lead."""
        if not self.conflict_entries:
            return
        rows = [
            (unit_id, lead_id, alias, _conflict(alias, holder, claimant))
            for (unit_id, lead_id, alias), (holder, claimant) in sorted(self.conflict_entries.items())
        ]
        await connection.execute(WRITE_CONFLICTS, *map(list, zip(*rows, strict=True)))


def _conflict(alias: str, holder: str, claimant: str) -> str:
    return msgspec.json.encode({"alias": alias, "holder": holder, "claimant": claimant}).decode()
