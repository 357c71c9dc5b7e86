"""By what else a lead will be known: aliases that so far only events tie to it which wait or have failed."""

from collections.abc import AsyncGenerator, Collection
from typing import Final
from uuid import UUID

import asyncpg

from leadvibe.ingest.unprocessed import try_decode

AliasName = tuple[str, str]
"""Kind and normalised value."""
Names = tuple[str | None, frozenset[AliasName]]
"""Of one event: the lead that it names, if any, and its aliases."""

PAGE: Final = 2_000
START: Final = (-1, UUID(int=0))

READ: Final = """
SELECT route, event_id, body FROM {table}
WHERE (route, event_id) > ($2, $3) AND unit_id = $1 ORDER BY route, event_id LIMIT $4
"""
HELD: Final = """
SELECT aliases.kind, aliases.value FROM aliases
JOIN unnest($2::text[], $3::text[]) AS named (kind, value)
  ON aliases.kind = named.kind AND aliases.value = named.value
WHERE aliases.unit_id = $1
"""


async def pending_aliases(
    connection: asyncpg.Connection, unit_id: str, lead_ids: Collection[str], aliases: Collection[AliasName]
) -> set[AliasName]:
    """Further aliases of leads that are known by these; those that another lead has or is about to have are not."""
    events = {names async for names in _names(connection, unit_id)}
    others = {name for lead_id, names in events if lead_id and lead_id not in lead_ids for name in names}
    found, size = set(aliases), -1
    while size != len(found):  # one event may tie to a lead what another one then names it by
        size = len(found)
        found.update(
            name
            for lead_id, names in events
            if lead_id in lead_ids or (not lead_id and not names.isdisjoint(found))
            for name in names - others
        )
    further = found.difference(aliases)
    held = await connection.fetch(HELD, unit_id, [kind for kind, _ in further], [value for _, value in further])
    return further.difference((row[0], row[1]) for row in held)


async def _names(connection: asyncpg.Connection, unit_id: str) -> AsyncGenerator[Names]:
    for table in ("inbox", "failed_events"):
        after: tuple[int, UUID] | None = START
        while after is not None:
            rows = await connection.fetch(READ.format(table=table), unit_id, *after, PAGE)
            after = (rows[-1][0], rows[-1][1]) if len(rows) == PAGE else None
            for row in rows:
                event = try_decode(row[2])
                if event is not None and event.aliases:
                    yield event.lead_id, frozenset((alias.kind, alias.value) for alias in event.aliases)
