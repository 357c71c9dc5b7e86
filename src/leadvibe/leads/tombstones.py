"""What is left of a deleted lead: digests, by which events that were received before the deletion are recognised."""

from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import sha256
from typing import Final

import asyncpg
from msgspec.structs import replace

from leadvibe.events.inbox import Received

READ: Final = """
SELECT tombstones.unit_id, tombstones.digest, tombstones.deleted_at
FROM tombstones JOIN unnest($1::text[], $2::bytea[]) AS named (unit_id, digest)
  ON tombstones.unit_id = named.unit_id AND tombstones.digest = named.digest
"""

READ_UNITS: Final = """
SELECT unit_id FROM unnest($1::text[]) AS named (unit_id)
WHERE EXISTS (SELECT FROM tombstones WHERE tombstones.unit_id = named.unit_id)
"""

Grave = tuple[str, bytes]
"""(unit_id, digest)"""


def lead_digest(lead_id: str) -> bytes:
    return sha256(f"lead:{lead_id}".encode()).digest()


def alias_digest(kind: str, value: str) -> bytes:
    return sha256(f"{kind}:{value}".encode()).digest()


def outlived(event: Received, buried: Callable[[bytes], bool]) -> Received | None:
    """What is left of an event that was received before these digests were buried.

    Nothing, if it is a deleted lead's: the one that it names, or else the one that its strongest alias named. Of
    another lead's, all but the names by which the deleted one was known.
    """
    if event.lead_id is not None and buried(lead_digest(event.lead_id)):
        return None
    aliases = [alias for alias in event.aliases if not buried(alias_digest(alias.kind, alias.value))]
    if len(aliases) == len(event.aliases):
        return event
    if event.lead_id is None and aliases[:1] != event.aliases[:1]:
        return None
    return replace(event, aliases=aliases)


async def graves(connection: asyncpg.Connection, named: Iterable[Grave]) -> dict[Grave, datetime]:
    """Which of these belong to deleted leads, and since when."""
    wanted = sorted(set(named))
    if not wanted:
        return {}
    rows = await connection.fetch(READ, [unit for unit, _ in wanted], [digest for _, digest in wanted])
    return {(row[0], row[1]): row[2] for row in rows}


async def units_with_graves(connection: asyncpg.Connection, unit_ids: Iterable[str]) -> set[str]:
    """The OUs that ever deleted a lead: in the others there is nothing to look for."""
    return {row[0] for row in await connection.fetch(READ_UNITS, list(unit_ids))}
