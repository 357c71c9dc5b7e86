"""Runs the migrations on the database that the settings name, or on the connection that the program hands in."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from leadvibe.config import settings
from leadvibe.core.database.transactions import sqlalchemy_url
from leadvibe.server.tables import METADATA

# PgQueuer's own tables come from its own schema script.
FOREIGN_TABLES = ("pgqueuer",)


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name is None or not name.startswith(FOREIGN_TABLES)


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        include_name=is_ours,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_alone() -> None:
    url = context.config.get_main_option("sqlalchemy.url") or settings().database_url
    if url is None:
        raise SystemExit("LEADVIBE_DATABASE_URL names the database to migrate")
    engine = create_async_engine(sqlalchemy_url(url))
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(run_alone())
