"""Checks whether a database's schema is up to date, without importing Alembic."""

import asyncpg

from leadvibe.core.database.migration_files import newest


async def is_current(connection: asyncpg.Connection) -> bool:
    """Whether the newest migration has been applied."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return False
    return await connection.fetchval("SELECT version_num FROM alembic_version") == newest()
