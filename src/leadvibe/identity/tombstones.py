"""Looks up tombstones, the digests of deleted leads. Events received before the deletion of their lead are dropped."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

import asyncpg

from leadvibe.identity.aliases import Identifier

READ_TOMBSTONES: Final = """
SELECT tombstones.unit_id, tombstones.digest, tombstones.deleted_at
FROM tombstones JOIN unnest($1::text[], $2::bytea[]) AS requested (unit_id, digest)
  ON tombstones.unit_id = requested.unit_id AND tombstones.digest = requested.digest
"""

READ_UNITS: Final = """
SELECT unit_id FROM unnest($1::text[]) AS requested (unit_id)
WHERE EXISTS (SELECT FROM tombstones WHERE tombstones.unit_id = requested.unit_id)
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
    surviving = [each for each in identifiers if not is_deleted(alias_digest(each.kind, each.value))]
    if lead_id is None and surviving[:1] != list(identifiers[:1]):
        return None
    return surviving


async def read_tombstones(connection: asyncpg.Connection, keys: Iterable[TombstoneKey]) -> dict[TombstoneKey, datetime]:
    """The instant of deletion for each of these digests that belongs to a deleted lead."""
    requested = sorted(set(keys))
    if not requested:
        return {}
    rows = await connection.fetch(READ_TOMBSTONES, [unit for unit, _ in requested], [digest for _, digest in requested])
    return {(unit_id, digest): deleted_at for unit_id, digest, deleted_at in rows}


async def units_with_tombstones(connection: asyncpg.Connection, unit_ids: Iterable[str]) -> set[str]:
    """The OUs among these that have deleted a lead. Only their events need a look-up."""
    return {row["unit_id"] for row in await connection.fetch(READ_UNITS, list(unit_ids))}
