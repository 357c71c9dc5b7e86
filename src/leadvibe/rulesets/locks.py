"""An OU's configuration is changed by one at a time, and by nobody while leads are folded under it.

Advisory locks, since who waits for one is next in line. A row lock lets everybody who shares it pass a waiting writer:
with a few busy workers, an edit waited for ever.

They come before the OU's row and after leads' rows.
"""

from collections.abc import Iterable
from zlib import crc32

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.advisory_locks import CONFIGURATION_LOCKS

_KEEP = text("SELECT pg_advisory_xact_lock_shared(:class, key) FROM unnest(CAST(:keys AS int[])) AS key")
_TAKE = text("SELECT pg_advisory_xact_lock(:class, key) FROM unnest(CAST(:keys AS int[])) AS key")


async def share_configuration_locks(session: AsyncSession, unit_ids: Iterable[str]) -> None:
    """Until this transaction ends, no new version is made in these OUs."""
    await session.execute(_KEEP, {"class": CONFIGURATION_LOCKS, "keys": _keys(unit_ids)})


async def lock_configurations(session: AsyncSession, unit_ids: Iterable[str]) -> None:
    """Until this transaction ends, nobody else changes the configuration of these OUs or folds under it."""
    await session.execute(_TAKE, {"class": CONFIGURATION_LOCKS, "keys": _keys(unit_ids)})


def _keys(unit_ids: Iterable[str]) -> list[int]:
    """Sorted as locks are, not as ids are: two OUs may share a lock."""
    return sorted({crc32(unit_id.encode()) - 2**31 for unit_id in unit_ids})
