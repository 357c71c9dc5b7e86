"""The ingest buffer, with a database that is slow or unavailable."""

# asyncio.gather is typed as a tuple and returns a list.
# pyright: reportUnnecessaryComparison=false

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from leadvibe.config import settings
from leadvibe.core.database.transactions import asyncpg_dsn
from leadvibe.core.http.problems import Problem, Unavailable
from leadvibe.ingest.buffer import IngestBuffer
from leadvibe.ingest.inbox import AcceptedEvent, InboxRow, row_of
from support.callers import Caller
from support.postgres import TestDatabase


def row(lead_id: str = "ada") -> InboxRow:
    return row_of("unit_1", AcceptedEvent("signup", lead_id, [], None, b"{}", None, None))


BAD_ROW = row()._replace(unit_id="unit_\x00")
"""PostgreSQL rejects NUL in text. Validation does too, so only a test can send one."""


class LockedInbox:
    """The inbox under a table lock: every flush waits for it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def waiting_flushes(self, number: int) -> list[int]:
        """Wait until this many flushes wait for the lock, and return their server processes."""
        query = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'inbox'::regclass"
        found: list[int] = []
        while len(found) < number:
            found = [row["pid"] for row in await self._connection.fetch(query)]
        return found

    async def terminate(self, processes: list[int]) -> None:
        await self._connection.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", processes)


@asynccontextmanager
async def locked_inbox(database: TestDatabase) -> AsyncGenerator[LockedInbox]:
    connection: asyncpg.Connection = await asyncpg.connect(asyncpg_dsn(database.url))
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
            yield LockedInbox(connection)
    finally:
        await connection.close()


def begin(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(work)


async def two_flushes(buffer: IngestBuffer, inbox: LockedInbox) -> list[asyncio.Task[Any]]:
    """The maximum number of flushes, both waiting for the lock, so that later requests wait in the buffer."""
    requests: list[asyncio.Task[Any]] = []
    for number in (1, 2):
        requests.append(begin(buffer.put([row()])))
        await inbox.waiting_flushes(number)
    return requests


async def commits(database: TestDatabase) -> list[int]:
    """The number of rows of each commit, in order."""
    rows = await database.fetch("SELECT count(*) AS n FROM inbox GROUP BY xmin::text ORDER BY min(event_id::text)")
    return [commit["n"] for commit in rows]


async def test_a_lone_request_is_stored_at_once(database: TestDatabase) -> None:
    await IngestBuffer(10).put([row()])
    assert await commits(database) == [1]


async def test_requests_that_come_in_together_share_a_commit(database: TestDatabase) -> None:
    buffer = IngestBuffer(100)
    await asyncio.gather(*(buffer.put([row(), row()]) for _ in range(5)))
    assert await commits(database) == [10]


async def test_a_second_flush_starts_when_it_is_as_large_as_the_first_and_a_third_never(database: TestDatabase) -> None:
    buffer = IngestBuffer(100)
    async with locked_inbox(database) as inbox:
        requests = [begin(buffer.put([row(), row()]))]
        await inbox.waiting_flushes(1)
        requests += [begin(buffer.put([row()]))]
        await asyncio.sleep(0)
        requests += [begin(buffer.put([row(), row()]))]
        await inbox.waiting_flushes(2)
        requests += [begin(buffer.put([row()])) for _ in range(7)]
        await asyncio.sleep(0)
        assert not any(request.done() for request in requests)
    await asyncio.gather(*requests)
    assert sorted(await commits(database)) == [2, 3, 7]


async def test_a_full_buffer_rejects_at_once_and_keeps_its_rows(database: TestDatabase) -> None:
    buffer = IngestBuffer(3)
    async with locked_inbox(database) as inbox:
        requests = await two_flushes(buffer, inbox)
        requests += [begin(buffer.put([row()])) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await buffer.put([row()])
        assert refused.value.headers == {"Retry-After": "1"}
    await asyncio.gather(*requests)
    await buffer.put([row()])
    assert await database.fetchval("SELECT count(*) FROM inbox") == 6


async def test_a_request_larger_than_the_buffer_is_accepted_when_nothing_else_waits(database: TestDatabase) -> None:
    await IngestBuffer(3).put([row() for _ in range(10)])
    assert await commits(database) == [10]


async def test_a_row_that_the_database_rejects_fails_only_its_own_request(
    database: TestDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    buffer = IngestBuffer(100)
    async with locked_inbox(database) as inbox:
        requests = await two_flushes(buffer, inbox)
        requests += [begin(buffer.put([row(), BAD_ROW] if number == 4 else [row()])) for number in range(9)]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(answer) for answer in answers] == [list] * 6 + [Problem] + [list] * 4
    assert await database.fetchval("SELECT count(*) FROM inbox") == 10
    assert "database rejected an event" in capsys.readouterr().out


async def test_a_lost_connection_is_a_503_for_waiting_requests_and_later_ones_succeed(
    database: TestDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    buffer = IngestBuffer(100)
    async with locked_inbox(database) as inbox:
        first = await two_flushes(buffer, inbox)
        second = [begin(buffer.put([row()])) for _ in range(3)]
        await asyncio.sleep(0)
        await inbox.terminate(await inbox.waiting_flushes(2))
        lost = await asyncio.gather(*first, return_exceptions=True)
        assert [type(answer) for answer in lost] == [Unavailable, Unavailable]
    await asyncio.gather(*second)
    await buffer.put([row()])
    assert await database.fetchval("SELECT count(*) FROM inbox") == 4
    assert "inbox unavailable" in capsys.readouterr().out


async def test_connections_that_are_lost_while_idle_are_replaced(
    database: TestDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    buffer = IngestBuffer(100)
    await buffer.put([row()])
    await database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'leadvibe'"
    )
    answers = [await asyncio.gather(buffer.put([row()]), return_exceptions=True) for _ in range(3)]
    stored = sum(isinstance(answer, list) for [answer] in answers)
    assert isinstance(answers[-1][0], list)
    assert await database.fetchval("SELECT count(*) FROM inbox") == 1 + stored
    capsys.readouterr()


async def test_a_client_that_disconnects_does_not_delay_others(database: TestDatabase) -> None:
    buffer = IngestBuffer(100)
    async with locked_inbox(database) as inbox:
        first = await two_flushes(buffer, inbox)
        gone, other = begin(buffer.put([row()])), begin(buffer.put([row()]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*first, other)
    assert gone.cancelled()


async def test_closing_flushes_waiting_rows(database: TestDatabase) -> None:
    buffer = IngestBuffer(100)
    async with locked_inbox(database) as inbox:
        requests = await two_flushes(buffer, inbox)
        requests += [begin(buffer.put([row()])) for _ in range(3)]
        closing = begin(buffer.close())
        await asyncio.sleep(0)
        assert not closing.done()
    await closing
    assert sorted(await commits(database)) == [1, 1, 3]
    await asyncio.gather(*requests)


async def test_idle_workers_are_notified_and_busy_ones_are_not(database: TestDatabase) -> None:
    connection: asyncpg.Connection = await asyncpg.connect(asyncpg_dsn(database.url))
    heard: asyncio.Queue[str] = asyncio.Queue()
    await connection.add_listener("leadvibe_inbox", lambda *heard_of: heard.put_nowait(heard_of[2]))
    from leadvibe.ingest import buffer as module

    module._notify_throttle = module.NotifyThrottle()
    await module.append([row()])
    await module.append([row()])
    await connection.execute("SELECT 1")
    assert heard.qsize() == 1
    await connection.close()


async def test_a_full_disk_of_the_database_is_reported_until_a_flush_succeeds(
    client: Caller, anonymous: Caller, database: TestDatabase
) -> None:
    await database.execute(
        """
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$
        """
    )
    await database.execute("CREATE TRIGGER fails BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION fail()")
    event = {"lead_id": "ada", "event_type": "visit"}
    assert (await client.post("/ingest", json=event)).status_code == 503
    answer = await anonymous.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "The disk of the database is full.")
    await database.execute("DROP TRIGGER fails ON inbox")
    assert (await client.post("/ingest", json=event)).status_code == 202
    assert (await anonymous.get("/readyz")).status_code == 200


@pytest.fixture
def short_flushes(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    monkeypatch.setenv("LEADVIBE_INGEST_FLUSH_TIMEOUT", "PT0.5S")
    settings.cache_clear()
    yield
    settings.cache_clear()  # monkeypatch restores the environment after this


@pytest.mark.usefixtures("short_flushes")
async def test_a_flush_that_takes_too_long_fails_with_what_waits_behind_it(database: TestDatabase) -> None:
    buffer = IngestBuffer(100)
    async with locked_inbox(database) as inbox:
        first = [begin(buffer.put([row("ada")])), begin(buffer.put([row("grace")]))]
        await inbox.waiting_flushes(1)
        behind = begin(buffer.put([row("linus")]))
        for task in (*first, behind):
            with pytest.raises(Unavailable):
                await task
    assert len(await buffer.put([row("later")])) == 1
    await buffer.close()
    assert await database.fetchval("SELECT count(*) FROM inbox") == 1
