"""Surge events: stored alike in any order of arrival, and published when a new event takes a surge to a new band."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from asyncpg.connection import Connection

from leadvibe.core.jobs.queue import drain_jobs
from support import statements
from support.callers import Caller
from support.following import Stream, following
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]
Published = Callable[[], Awaitable[list[tuple[int, float]]]]

Row = tuple[str, str, str, int, int]
"""Lead, minute of the event, minute of the start of the surge, surge count, multiplier."""


def at(minute: int) -> str:
    return f"2026-03-02T{9 + minute // 60:02}:{minute % 60:02}:00Z"


@pytest.fixture(autouse=True)
async def rule(make: Make) -> None:
    await make.rule("visit", 10)


@pytest.fixture
async def stream(app: Any, client: Caller, rule: None) -> AsyncGenerator[Stream]:
    async with following(app, client.headers) as opened:
        assert (await opened.next()).comment == "alive"
        yield opened


@pytest.fixture
def published(stream: Stream, make: Make, drain: Drain) -> Published:
    """The surge frames since the last call, as count and multiplier; found with a last event of another lead."""

    async def frames() -> list[tuple[int, float]]:
        await make.event("end", lead_id="last")
        await drain()
        found: list[tuple[int, float]] = []
        while True:
            event = await stream.next_event()
            if event.name == "surge":
                found.append((event.data["surge"]["event_count"], event.data["surge"]["multiplier"]))
            if event.name == "new_event" and event.data["event"]["lead_id"] == "last":
                return found

    return frames


async def visit(make: Make, *minutes: int, lead_id: str = "ada", channel: str = "web") -> None:
    metadata = {"channel": channel}
    await make.events(
        *(
            {"event_type": "visit", "lead_id": lead_id, "timestamp": at(minute), "metadata": metadata}
            for minute in minutes
        )
    )


async def stored(database: TestDatabase) -> list[Row]:
    rows = await database.fetch("SELECT * FROM surge_events ORDER BY lead_id, occurred_at")
    return [
        (
            row["lead_id"],
            f"{row['occurred_at']:%H:%M}",
            f"{row['started_at']:%H:%M}",
            row["surge_count"],
            row["multiplier"],
        )
        for row in rows
    ]


async def test_a_surge_that_enters_a_band_is_stored_and_published(
    stream: Stream, client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await visit(make, *range(5), channel="Email")
    await drain()
    *_, update, surge = await stream.events(7)
    assert (update.name, update.data["delta"]) == ("score_update", 53)
    (row,) = await database.fetch("SELECT * FROM surge_events")
    event_id = (await client.get("/events", params={"limit": 1})).json()[0]["event_id"]
    assert surge.name == "surge"
    assert surge.data == {
        "type": "surge",
        "surge": {
            "event_id": event_id,
            "lead_id": "ada",
            "channel": "email",
            "event_count": 5,
            "multiplier": 1.25,
            "started_at": "2026-03-02T09:00:00Z",
            "timestamp": "2026-03-02T09:04:00Z",
            "account_id": None,
        },
    }
    assert (row["unit_id"], row["channel"]) == (client.unit_id, "email")
    assert await stored(database) == [("ada", "09:04", "09:00", 5, 1250)]


TEN: list[Row] = [("ada", "09:04", "09:00", 5, 1250), ("ada", "09:09", "09:00", 10, 1500)]

# The minutes of the events, by transaction. All store the same, and publish each band once.
ARRIVALS = {
    "in order, one by one": [[minute] for minute in range(10)],
    "in order, at once": [[*range(10)]],
    "backwards": [[minute] for minute in range(9, -1, -1)],
    "the fifth comes after the sixth": [[0, 1, 2, 3, 5], [4], [6, 7, 8, 9]],
    "the first comes last": [[*range(1, 10)], [0]],
    "the second half comes first": [[5, 6, 7, 8, 9], [0, 1, 2, 3, 4]],
    "a late one completes the fifth": [[0, 1, 2, 4], [3], [*range(5, 10)]],
}


@pytest.mark.parametrize("transactions", ARRIVALS.values(), ids=ARRIVALS.keys())
async def test_any_arrival_stores_the_same_and_publishes_each_band_once(
    make: Make, drain: Drain, published: Published, database: TestDatabase, transactions: list[list[int]]
) -> None:
    for minutes in transactions:
        await visit(make, *minutes)
        await drain()
    assert await published() == [(5, 1.25), (10, 1.5)]
    assert await stored(database) == TEN


async def test_a_late_event_that_joins_two_surges_publishes_the_band_that_only_both_reach(
    make: Make, drain: Drain, published: Published, database: TestDatabase
) -> None:
    await visit(make, *range(5), *range(60, 65))
    await drain()
    assert await published() == [(5, 1.25), (5, 1.25)]
    await visit(make, 32)
    await drain()
    assert await published() == [(10, 1.5)]
    assert await stored(database) == [("ada", "09:04", "09:00", 5, 1250), ("ada", "10:03", "09:00", 10, 1500)]


async def test_a_late_event_publishes_the_band_of_its_surge_though_another_surge_moved(
    make: Make, drain: Drain, published: Published, database: TestDatabase
) -> None:
    await visit(make, *range(4), *range(60, 65))
    await drain()
    assert await published() == [(5, 1.25)]
    await visit(make, 4, 59)
    await drain()
    assert await published() == [(5, 1.25)]
    assert await stored(database) == [("ada", "09:04", "09:00", 5, 1250), ("ada", "10:03", "09:59", 5, 1250)]


async def test_an_event_without_a_new_band_sends_no_statement_about_surges(
    make: Make, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visit(make, 0, 1)
    await drain()
    heard: list[str] = []
    for method in ("_get_statement", "execute", "_copy_in"):
        monkeypatch.setattr(Connection, method, statements.observed(getattr(Connection, method), heard.append))
    await visit(make, 2, 3)
    await drain()
    assert any("score_entries" in statement for statement in heard)
    assert not [statement for statement in heard if "surge_events" in statement]
    await visit(make, 4)
    await drain()
    assert len({statement for statement in heard if "surge_events" in statement}) == 1


async def test_a_replay_writes_only_the_surge_events_that_differ(
    make: Make, drain: Drain, database: TestDatabase
) -> None:
    await visit(make, *range(60, 66))
    await visit(make, *range(120, 130))
    await drain()
    written = "SELECT occurred_at, xmin::text FROM surge_events ORDER BY occurred_at"
    before = await database.fetch(written)
    await visit(make, 125)
    await drain()
    after = await database.fetch(written)
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False]


async def test_a_rescore_replaces_surge_events_without_frames(
    client: Caller, make: Make, drain: Drain, published: Published, database: TestDatabase
) -> None:
    await visit(make, *range(10))
    await drain()
    assert len(await published()) == 2
    await make.surge("gentle")
    await rescore(client)
    assert await published() == []
    assert [row[-2:] for row in await stored(database)] == [(5, 1100), (10, 1250)]
    await make.surge("off")
    await rescore(client)
    assert await stored(database) == []


async def test_after_an_upgrade_a_replay_records_the_past_without_frames(
    make: Make, drain: Drain, published: Published, database: TestDatabase
) -> None:
    await visit(make, *range(9))
    await drain()
    assert await published() == [(5, 1.25)]
    await forget_surges(database)
    await visit(make, 9)
    await drain()
    assert await published() == [(10, 1.5)]
    assert await stored(database) == TEN
    await forget_surges(database)
    await visit(make, 120)
    await drain()
    assert await published() == []
    assert await stored(database) == TEN


async def test_deleting_an_event_moves_and_removes_surge_events_without_frames(
    client: Caller, make: Make, drain: Drain, published: Published, database: TestDatabase
) -> None:
    await visit(make, *range(10))
    await drain()
    assert len(await published()) == 2
    first = (await client.get("/events/ada")).json()[-1]["event_id"]
    (await client.request("DELETE", "/events/batch", json={"ids": [first]})).raise_for_status()
    assert await published() == []
    assert await stored(database) == [("ada", "09:05", "09:01", 5, 1250)]


async def test_a_merge_derives_the_surge_events_of_the_target_without_frames(
    client: Caller, make: Make, drain: Drain, published: Published, database: TestDatabase
) -> None:
    await visit(make, 0, 2, 4, 6, 8, lead_id="ada")
    await visit(make, 1, 3, 5, 7, 9, lead_id="grace")
    await drain()
    assert len(await published()) == 2
    assert [row[0] for row in await stored(database)] == ["ada", "grace"]
    body = {"target_lead_id": "ada", "source_lead_ids": ["grace"]}
    (await client.post("/leads/merge", json=body)).raise_for_status()
    assert await published() == []
    assert await stored(database) == TEN


async def test_a_reset_keeps_surge_events_and_starts_the_count_again(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await visit(make, *range(9))
    await drain()
    (await client.post("/leads/ada/reset-scores")).raise_for_status()
    await make.event("visit", lead_id="ada")
    await drain()
    assert await stored(database) == TEN[:1]


async def test_a_deleted_lead_leaves_no_surge_events(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await visit(make, *range(5))
    await drain()
    assert await stored(database)
    (await client.request("DELETE", "/lead/ada")).raise_for_status()
    await drain_jobs()
    assert await stored(database) == []


async def rescore(client: Caller) -> None:
    (await client.post("/admin/rescore")).raise_for_status()
    await drain_jobs()


async def forget_surges(database: TestDatabase) -> None:
    """Bring the leads to the state that earlier versions of the program stored."""
    await database.execute("DELETE FROM surge_events")
    for row in await database.fetch("SELECT unit_id, lead_id, standing FROM leads"):
        old = msgspec.msgpack.encode(msgspec.msgpack.decode(row["standing"])[:-2])
        await database.execute(
            "UPDATE leads SET standing = $3 WHERE unit_id = $1 AND lead_id = $2", row["unit_id"], row["lead_id"], old
        )
