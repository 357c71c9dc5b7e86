"""A deletion waits for the files that are being uploaded: it would not see them, and they may hold the lead."""

from zlib import crc32

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.advisory_locks import UPLOAD_LOCKS

_KEEP = text("SELECT pg_advisory_xact_lock_shared(:class, :key)")
_TAKE = text("SELECT pg_advisory_xact_lock(:class, :key)")


async def upload(session: AsyncSession, unit_id: str) -> None:
    """Until this transaction ends, a file of this OU is being uploaded."""
    await session.execute(_KEEP, {"class": UPLOAD_LOCKS, "key": _key(unit_id)})


async def wait_for_uploads(session: AsyncSession, unit_id: str) -> None:
    """Until the files that this OU has begun to upload are there."""
    await session.execute(_TAKE, {"class": UPLOAD_LOCKS, "key": _key(unit_id)})


def _key(unit_id: str) -> int:
    return crc32(unit_id.encode()) - 2**31
