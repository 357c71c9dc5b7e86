"""Locks that keep an OU's configuration unchanged while leads are scored with it.

These are advisory locks, because they are granted in the order of the requests. With row locks, a waiting edit could
wait forever while workers kept taking shared locks.

Lock order: the leads' rows, then these locks, then the OU's row.
"""

from collections.abc import Iterable
from zlib import crc32

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.advisory_locks import CONFIGURATION_LOCKS

_LOCK_SHARED = text("SELECT pg_advisory_xact_lock_shared(:class, key) FROM unnest(CAST(:keys AS int[])) AS key")
_LOCK = text("SELECT pg_advisory_xact_lock(:class, key) FROM unnest(CAST(:keys AS int[])) AS key")


async def share_configuration_locks(session: AsyncSession, unit_ids: Iterable[str]) -> None:
    """Until this transaction ends, no new version is created in these OUs."""
    await session.execute(_LOCK_SHARED, {"class": CONFIGURATION_LOCKS, "keys": _keys(unit_ids)})


async def lock_configurations(session: AsyncSession, unit_ids: Iterable[str]) -> None:
    """Until this transaction ends, no other one changes the configuration of these OUs or scores leads with it."""
    await session.execute(_LOCK, {"class": CONFIGURATION_LOCKS, "keys": _keys(unit_ids)})


def _keys(unit_ids: Iterable[str]) -> list[int]:
    """The lock keys, without duplicates: two OUs can share a key. Sorted, because locking in order avoids deadlocks."""
    return sorted({crc32(unit_id.encode()) - 2**31 for unit_id in unit_ids})
