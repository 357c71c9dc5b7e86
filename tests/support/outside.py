"""A look into the database of a server that runs in processes of its own."""

import asyncpg

from leadvibe.core.database.transactions import asyncpg_dsn
from leadvibe.core.postgres import embedded
from leadvibe.ingest.inbox import decode
from support.postgres import SETTINGS
from support.serving import Serving
from support.waiting import PATIENCE, eventually


async def look(serving: Serving) -> asyncpg.Connection:
    """A connection, as soon as the database can be reached."""

    async def connect() -> asyncpg.Connection | None:
        url = embedded.find(serving.data_dir)
        try:
            return await asyncpg.connect(asyncpg_dsn(url), server_settings=SETTINGS, timeout=5) if url else None
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return None

    return await eventually(connect)


async def until_processed(connection: asyncpg.Connection, *, within: float = PATIENCE) -> None:
    async def nothing_waits() -> bool:
        return not await connection.fetchval("SELECT EXISTS (SELECT FROM inbox)")

    await eventually(nothing_waits, within=within, every=0.2)


async def keys_by_place(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """The idempotency keys of all events there are, processed, waiting and failed, at one instant."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        processed = await connection.fetch("SELECT idempotency_key FROM events")
        waiting = await connection.fetch("SELECT body FROM inbox")
        failed = await connection.fetch("SELECT body FROM failed_events")
    return {
        "processed": [row["idempotency_key"] for row in processed],
        "waiting": [str(decode(row["body"]).idempotency_key) for row in waiting],
        "failed": [str(decode(row["body"]).idempotency_key) for row in failed],
    }
