"""Makes deletions of leads wait for uploads in progress, because an uploaded file may contain the deleted lead."""

from zlib import crc32

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.advisory_locks import UPLOAD_LOCKS

_LOCK_SHARED = text("SELECT pg_advisory_xact_lock_shared(:class, :key)")
_LOCK_EXCLUSIVE = text("SELECT pg_advisory_xact_lock(:class, :key)")


async def lock_upload(session: AsyncSession, unit_id: str) -> None:
    """Mark an upload to this OU as in progress until the transaction ends."""
    await session.execute(_LOCK_SHARED, {"class": UPLOAD_LOCKS, "key": _key(unit_id)})


async def wait_for_uploads(session: AsyncSession, unit_id: str) -> None:
    """Wait until the uploads to this OU that are in progress have been committed."""
    await session.execute(_LOCK_EXCLUSIVE, {"class": UPLOAD_LOCKS, "key": _key(unit_id)})


def _key(unit_id: str) -> int:
    return crc32(unit_id.encode()) - 2**31
