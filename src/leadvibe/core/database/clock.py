"""The database's clock."""

from datetime import datetime
from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import raw


async def database_now(session: AsyncSession) -> datetime:
    """The database's time now. Read after taking a lock, it is later than everything earlier holders did under it."""
    connection = await raw(session)
    return cast("datetime", await connection.fetchval("SELECT clock_timestamp()"))
