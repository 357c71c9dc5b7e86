"""Reads the database of a server that runs in its own processes."""

import asyncpg

from leadvibe.core.database.transactions import asyncpg_dsn
from leadvibe.core.postgres import embedded
from leadvibe.ingest.inbox import decode
from support.postgres import SETTINGS
from support.serving import Serving
from support.waiting import TIMEOUT_SECONDS, eventually


async def connect_to(serving: Serving) -> asyncpg.Connection:
    """Connect as soon as the database can be reached."""

    async def connect() -> asyncpg.Connection | None:
        url = embedded.find(serving.data_dir)
        try:
            return await asyncpg.connect(asyncpg_dsn(url), server_settings=SETTINGS, timeout=5) if url else None
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return None

    return await eventually(connect)


async def until_processed(connection: asyncpg.Connection, *, within: float = TIMEOUT_SECONDS) -> None:
    async def inbox_is_empty() -> bool:
        return not await connection.fetchval("SELECT EXISTS (SELECT FROM inbox)")

    await eventually(inbox_is_empty, within=within, every=0.2)


async def keys_by_state(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """The idempotency keys of all processed, waiting and failed events, in one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        processed = await connection.fetch("SELECT idempotency_key FROM events")
        waiting = await connection.fetch("SELECT body FROM inbox")
        failed = await connection.fetch("SELECT body FROM failed_events")
    return {
        "processed": [row["idempotency_key"] for row in processed],
        "waiting": [str(decode(row["body"]).idempotency_key) for row in waiting],
        "failed": [str(decode(row["body"]).idempotency_key) for row in failed],
    }
