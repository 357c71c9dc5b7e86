"""Migrates a database's schema; processes that start together migrate it once."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from leadvibe.core.database.advisory_locks import MIGRATION_LOCK
from leadvibe.core.database.migration_files import folder
from leadvibe.core.database.transactions import sqlalchemy_url


def config() -> Config:
    result = Config()
    result.set_main_option("script_location", str(folder()))
    return result


async def migrate(url: str) -> None:
    """Apply all pending migrations in one transaction, under an advisory lock."""
    engine = create_async_engine(sqlalchemy_url(url))
    try:
        async with engine.connect() as connection, connection.begin():
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
