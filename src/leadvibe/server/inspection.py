"""A look at the database that needs none of the libraries which could change it: most starts find all in order."""

import asyncpg

from leadvibe.core.command_error import CommandError
from leadvibe.core.database.migration_files import newest

OLDEST_POSTGRES = 15


async def is_prepared(url: str) -> bool:
    """Whether the schema is up to date and an organization exists; refuses a server that is too old or away."""
    try:
        connection = await asyncpg.connect(url.replace("+asyncpg://", "://", 1), timeout=10)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as failed:
        raise CommandError(f"The database of LEADVIBE_DATABASE_URL can't be reached: {failed}") from failed
    try:
        if (version := connection.get_server_version().major) < OLDEST_POSTGRES:
            raise CommandError(f"LeadVibe needs PostgreSQL {OLDEST_POSTGRES} or newer, and this is {version}.")
        if await connection.fetchval("SELECT version_num FROM alembic_version") != newest():
            return False
        return await connection.fetchval("SELECT EXISTS (SELECT FROM organizations)")
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()
