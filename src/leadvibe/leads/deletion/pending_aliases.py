"""Finds aliases that unprocessed events would attach to a lead, so that its deletion covers them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from leadvibe.ingest.unprocessed import try_decode

AliasKey = tuple[str, str]
"""(kind, normalized value)"""


class EventIdentity(NamedTuple):
    """The identifiers in one unprocessed event."""

    lead_id: str | None
    aliases: frozenset[AliasKey]


PAGE_SIZE: Final = 2_000
START: Final = (-1, UUID(int=0))

READ: Final = """
SELECT route, event_id, body FROM {table}
WHERE (route, event_id) > ($2, $3) AND unit_id = $1 ORDER BY route, event_id LIMIT $4
"""
READ_ATTACHED: Final = """
SELECT aliases.kind, aliases.value FROM aliases
JOIN unnest($2::text[], $3::text[]) AS named (kind, value)
  ON aliases.kind = named.kind AND aliases.value = named.value
WHERE aliases.unit_id = $1
"""


async def find_pending_aliases(
    connection: asyncpg.Connection, unit_id: str, lead_ids: Collection[str], aliases: Collection[AliasKey]
) -> set[AliasKey]:
    """Aliases that unprocessed events share with these leads, beyond the given ones that are already attached.

    Leaves out aliases that another lead has, or that an unprocessed event names for another lead.
    """
    events = {identity async for identity in _read_identities(connection, unit_id)}
    known = await asyncio.to_thread(connected_aliases, events, lead_ids, aliases)  # there may be a million events
    pending = known.difference(aliases)
    attached = await connection.fetch(
        READ_ATTACHED, unit_id, [kind for kind, _ in pending], [value for _, value in pending]
    )
    return pending.difference((row["kind"], row["value"]) for row in attached)


def connected_aliases(
    events: Collection[EventIdentity], lead_ids: Collection[str], aliases: Collection[AliasKey]
) -> set[AliasKey]:
    """The given aliases, and those that the events connect to them or to these leads, directly or through each other.

    Each event is visited once, so the cost is linear in the number of identifiers.
    """
    of_others = {
        alias for event in events if event.lead_id and event.lead_id not in lead_ids for alias in event.aliases
    }
    unvisited = defaultdict[AliasKey, list[EventIdentity]](list)
    for event in events:
        if not event.lead_id:
            for alias in event.aliases:
                unvisited[alias].append(event)
    known = {*aliases, *(a for event in events if event.lead_id in lead_ids for a in event.aliases - of_others)}
    waiting = list(known)
    while waiting:
        for event in unvisited.pop(waiting.pop(), ()):
            new = event.aliases - of_others - known
            known |= new
            waiting += new
    return known


async def _read_identities(connection: asyncpg.Connection, unit_id: str) -> AsyncGenerator[EventIdentity]:
    for table in ("inbox", "failed_events"):
        after: tuple[int, UUID] | None = START
        while after is not None:
            rows = await connection.fetch(READ.format(table=table), unit_id, *after, PAGE_SIZE)
            after = (rows[-1]["route"], rows[-1]["event_id"]) if len(rows) == PAGE_SIZE else None
            for row in rows:
                event = try_decode(row["body"])
                if event is not None and event.aliases:
                    yield EventIdentity(event.lead_id, frozenset((alias.kind, alias.value) for alias in event.aliases))
