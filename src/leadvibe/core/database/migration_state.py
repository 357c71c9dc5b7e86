"""Checks whether a database's schema is up to date, without importing Alembic."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from leadvibe.core.database.migration_files import newest


async def is_current(connection: AsyncConnection) -> bool:
    """Whether the newest migration has been applied."""
    if await connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return False
    return await connection.scalar(text("SELECT version_num FROM alembic_version")) == newest()
