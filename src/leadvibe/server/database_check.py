"""Checks quickly whether the database is set up, without importing the libraries that could set it up."""

import asyncpg

from leadvibe.core.command_error import CommandError
from leadvibe.core.database.migration_files import newest

MIN_POSTGRES_VERSION = 15
TIMEOUT_SECONDS = 10


async def is_set_up(url: str) -> bool:
    """Whether the schema is up to date and an organization exists.

    Raises CommandError if the server can't be reached, doesn't answer or is too old.
    """
    try:
        connection = await asyncpg.connect(
            url.replace("+asyncpg://", "://", 1), timeout=TIMEOUT_SECONDS, command_timeout=TIMEOUT_SECONDS
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CommandError(f"The database of LEADVIBE_DATABASE_URL can't be reached: {error}") from error
    try:
        if (version := connection.get_server_version().major) < MIN_POSTGRES_VERSION:
            raise CommandError(
                f"LeadVibe needs PostgreSQL {MIN_POSTGRES_VERSION} or newer; the database runs version {version}."
            )
        if await connection.fetchval("SELECT version_num FROM alembic_version") != newest():
            return False
        return await connection.fetchval("SELECT EXISTS (SELECT FROM organizations)")
    except asyncpg.UndefinedTableError:
        return False
    except TimeoutError as error:
        raise CommandError("The database of LEADVIBE_DATABASE_URL doesn't answer.") from error
    finally:
        connection.terminate()
