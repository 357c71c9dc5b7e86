"""The database's clock."""

from datetime import datetime
from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import raw


async def database_now(session: AsyncSession) -> datetime:
    """The database's clock now: after a lock, later than all that happened under it."""
    connection = await raw(session)
    return cast("datetime", await connection.fetchval("SELECT clock_timestamp()"))
