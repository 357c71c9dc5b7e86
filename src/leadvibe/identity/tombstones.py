"""Tombstones: the digests that remain of a deleted lead, so that events received before the deletion stay deleted."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

import asyncpg

from leadvibe.identity.aliases import Identifier

READ: Final = """
SELECT tombstones.unit_id, tombstones.digest, tombstones.deleted_at
FROM tombstones JOIN unnest($1::text[], $2::bytea[]) AS named (unit_id, digest)
  ON tombstones.unit_id = named.unit_id AND tombstones.digest = named.digest
"""

READ_UNITS: Final = """
SELECT unit_id FROM unnest($1::text[]) AS named (unit_id)
WHERE EXISTS (SELECT FROM tombstones WHERE tombstones.unit_id = named.unit_id)
"""

TombstoneKey = tuple[str, bytes]
"""(unit_id, digest)"""


def lead_digest(lead_id: str) -> bytes:
    return sha256(f"lead:{lead_id}".encode()).digest()


def alias_digest(kind: str, value: str) -> bytes:
    return sha256(f"{kind}:{value}".encode()).digest()


def surviving_identifiers(
    lead_id: str | None, identifiers: Sequence[Identifier], is_deleted: Callable[[bytes], bool]
) -> list[Identifier] | None:
    """The identifiers of an event that do not belong to a deleted lead; None if the event itself was that lead's.

    An event belongs to the lead that it names, or else to the lead of its strongest identifier.
    """
    if lead_id is not None and is_deleted(lead_digest(lead_id)):
        return None
    left = [each for each in identifiers if not is_deleted(alias_digest(each.kind, each.value))]
    if lead_id is None and left[:1] != list(identifiers[:1]):
        return None
    return left


async def read_tombstones(connection: asyncpg.Connection, keys: Iterable[TombstoneKey]) -> dict[TombstoneKey, datetime]:
    """The instant of deletion for each of these digests that belongs to a deleted lead."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await connection.fetch(READ, [unit for unit, _ in wanted], [digest for _, digest in wanted])
    return {(row[0], row[1]): row[2] for row in rows}


async def units_with_tombstones(connection: asyncpg.Connection, unit_ids: Iterable[str]) -> set[str]:
    """The OUs that have deleted a lead; the other OUs need no look-up."""
    return {row[0] for row in await connection.fetch(READ_UNITS, list(unit_ids))}
