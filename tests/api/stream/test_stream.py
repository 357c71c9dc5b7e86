"""`GET /stream`: access, the order of frames, and reconnecting."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from leadvibe.config import settings
from leadvibe.core.database.transactions import database as program
from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.stream import broadcast
from leadvibe.core.stream import frames as stream
from leadvibe.core.stream.frames import Frame
from leadvibe.stream import service
from leadvibe.stream.tasks import prune_stream_frames
from support.callers import Caller
from support.following import Event, Stream, following
from support.postgres import TestDatabase
from support.sign_in import sign_choice, with_another_signature
from support.world import World


async def append(unit_id: str, *texts: str) -> None:
    frames = [Frame("new_event", b'{"n":"%b"}' % text.encode()) for text in texts]
    async with transaction(None) as session:
        await stream.append(await raw(session), unit_id, frames)


def shown(events: Sequence[Event]) -> list[tuple[str | None, Any]]:
    return [(event.id, event.data.get("n", event.name)) for event in events]


async def until_alive(open_stream: Stream) -> None:
    """Wait for the first comment: from then on the stream receives all frames."""
    assert (await open_stream.next()).comment == "alive"


async def test_frames_have_a_name_and_an_id(app: Any, client: Caller) -> None:
    async with following(app, client.headers) as open_stream:
        assert open_stream.status == 200
        assert open_stream.headers["content-type"].startswith("text/event-stream")
        await until_alive(open_stream)
        await append(client.unit_id, "a", "b")
        await append(client.unit_id, "c")
        assert await open_stream.events(3) == [
            Event("new_event", "1", {"n": "a"}),
            Event("new_event", "2", {"n": "b"}),
            Event("new_event", "3", {"n": "c"}),
        ]


async def test_the_score_after_an_event_is_streamed(app: Any, client: Caller, make: Any, drain: Any) -> None:
    await make.rule(event_type="signup", weight=20)
    async with following(app, client.headers) as open_stream:
        await until_alive(open_stream)
        accepted = await make.event("signup", lead_id="ld_1", timestamp="2026-01-02T03:04:05Z")
        await drain()
        events = {event.name: event.data for event in await open_stream.events(2)}
    assert events["new_event"] == {
        "type": "new_event",
        "event": {
            "event_id": accepted["event_id"],
            "lead_id": "ld_1",
            "event_type": "signup",
            "timestamp": "2026-01-02T03:04:05Z",
        },
    }
    update = events["score_update"]
    assert (update["type"], update["lead_id"], update["delta"], update["score"]) == ("score_update", "ld_1", 20, 20)
    assert [(r["delta"], r["score"]) for r in update["rulesets"]] == [(20, 20)]


async def test_frames_without_names_are_messages(app: Any, client: Caller) -> None:
    async with following(app, client.headers, named="0") as open_stream:
        await until_alive(open_stream)
        await append(client.unit_id, "a")
        assert await open_stream.events(1) == [Event(None, "1", {"n": "a"})]


async def test_a_new_stream_begins_with_the_next_frame(app: Any, client: Caller) -> None:
    await append(client.unit_id, "before")
    async with following(app, client.headers) as open_stream:
        await until_alive(open_stream)
        await append(client.unit_id, "after")
        assert shown(await open_stream.events(1)) == [("2", "after")]


@pytest.mark.parametrize("seen", [0, 1, 2, 3, 4])
async def test_a_reconnected_stream_continues_after_the_last_event_id(app: Any, client: Caller, seen: int) -> None:
    await append(client.unit_id, "1", "2", "3")
    await append(client.unit_id, "4")
    async with following(app, {**client.headers, "Last-Event-ID": str(seen)}) as open_stream:
        await until_alive(open_stream)
        await append(client.unit_id, "5")
        numbers = [str(number) for number in range(seen + 1, 6)]
        assert shown(await open_stream.events(len(numbers))) == [(number, number) for number in numbers]


async def test_missed_frames_are_read_in_pages(app: Any, client: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PAGE_FRAMES", 3)
    for number in range(1, 21):
        await append(client.unit_id, str(number))
    async with following(app, {**client.headers, "Last-Event-ID": "2"}) as open_stream:
        assert shown(await open_stream.events(18)) == [(str(n), str(n)) for n in range(3, 21)]


@pytest.mark.parametrize("never_given", ["99", "-3", "x", "9" * 40, "1.5", "\u0662"])
async def test_an_unknown_last_event_id_gives_resync_and_the_stream_continues(
    app: Any, client: Caller, never_given: str
) -> None:
    await append(client.unit_id, "1", "2")
    async with following(app, {**client.headers, "Last-Event-ID": never_given}) as open_stream:
        assert await open_stream.events(1) == [Event("resync", "2", {"type": "resync"})]
        await append(client.unit_id, "3")
        assert shown(await open_stream.events(1)) == [("3", "3")]


async def test_deleted_frames_give_resync(app: Any, client: Caller, database: TestDatabase) -> None:
    await append(client.unit_id, "1", "2")
    await append(client.unit_id, "3")
    await database.execute("UPDATE stream_frames SET created_at = now() - interval '61 minutes' WHERE last_frame = 2")
    await prune_stream_frames()
    async with following(app, {**client.headers, "Last-Event-ID": "1"}) as open_stream:
        assert shown(await open_stream.events(1)) == [("3", "resync")]
    async with following(app, {**client.headers, "Last-Event-ID": "2"}) as open_stream:
        assert shown(await open_stream.events(1)) == [("3", "3")]


async def test_a_client_that_reads_too_slowly_gets_overflow_and_is_disconnected(
    app: Any, client: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "MAX_QUEUE_BYTES", 40)
    async with following(app, client.headers) as slow, following(app, client.headers) as quick:
        await until_alive(slow)
        await until_alive(quick)
        slow.reading.clear()
        for number in range(1, 9):
            await append(client.unit_id, str(number))
            assert shown(await quick.events(1)) == [(str(number), str(number))]
        slow.reading.set()
        *before, last = await slow.rest()
        assert shown(before) == [(str(n), str(n)) for n in range(1, len(before) + 1)]
        assert len(before) < 8
        assert last == Event("resync", "8", {"type": "resync"})


async def test_a_client_that_reads_nothing_is_disconnected(
    app: Any, client: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SEND_TIMEOUT_SECONDS", 0.01)
    async with following(app, client.headers) as open_stream:
        await until_alive(open_stream)
        open_stream.reading.clear()
        await append(client.unit_id, "a")
        assert await open_stream.rest() == []
        assert not app.state.broadcaster._channels


async def test_an_idle_stream_sends_comments(app: Any, client: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    short = settings().model_copy(update={"stream_keepalive": timedelta(milliseconds=1)})
    monkeypatch.setattr(service, "settings", lambda: short)
    async with following(app, client.headers) as open_stream:
        assert [(await open_stream.next()).comment for _ in range(3)] == ["alive"] * 3


async def test_a_stream_shows_only_its_ou(app: Any, client: Caller, neighbour: Caller, stranger: Caller) -> None:
    async with following(app, neighbour.headers) as theirs, following(app, stranger.headers) as far:
        await until_alive(theirs)
        await until_alive(far)
        await append(client.unit_id, "ours")
        await append(neighbour.unit_id, "theirs")
        await append(stranger.unit_id, "far")
        assert shown(await theirs.events(1)) == [("1", "theirs")]
        assert shown(await far.events(1)) == [("1", "far")]


async def test_a_disconnected_client_leaves_no_subscription(app: Any, client: Caller) -> None:
    async with following(app, client.headers) as first, following(app, client.headers) as second:
        await until_alive(first)
        await until_alive(second)
        assert list(app.state.broadcaster._channels) == [client.unit_id]
    assert not app.state.broadcaster._channels


async def test_a_stream_survives_the_loss_of_all_database_connections(
    app: Any, client: Caller, database: TestDatabase
) -> None:
    async with following(app, client.headers) as open_stream:
        await until_alive(open_stream)
        await append(client.unit_id, "a")
        assert shown(await open_stream.events(1)) == [("1", "a")]
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await program().engine.dispose()
        await append(client.unit_id, "b")
        assert shown(await open_stream.events(1)) == [("2", "b")]


async def test_a_shutdown_ends_streams(app: Any, client: Caller) -> None:
    async with following(app, client.headers) as open_stream:
        await until_alive(open_stream)
        await app.state.broadcaster.close()
        assert shown(await open_stream.rest()) == [("0", "resync")]


async def test_a_credential_can_open_the_stream_of_its_ou(app: Any, basic: Caller) -> None:
    async with following(app, basic.headers) as open_stream:
        await until_alive(open_stream)
        await append(basic.unit_id, "a")
        assert shown(await open_stream.events(1)) == [("1", "a")]


async def test_the_active_ou_cookie_can_open_the_stream(app: Any, client: Caller) -> None:
    cookie = sign_choice(client.who)
    async with following(app, {"Cookie": f"activeOu={cookie}"}) as open_stream:
        await until_alive(open_stream)
        await append(client.unit_id, "a")
        assert shown(await open_stream.events(1)) == [("1", "a")]


async def test_an_admin_can_open_the_stream_of_every_ou(app: Any, client: Caller, neighbour: Caller) -> None:
    async with following(app, client.headers, ouId=neighbour.unit_id) as open_stream:
        await until_alive(open_stream)
        await append(neighbour.unit_id, "a")
        assert shown(await open_stream.events(1)) == [("1", "a")]


async def test_the_stream_of_a_foreign_ou_is_refused(
    client: Caller, viewer: Caller, basic: Caller, neighbour: Caller, stranger: Caller
) -> None:
    for caller in (viewer, basic):
        assert (await caller.get("/stream", params={"ouId": neighbour.unit_id})).status_code == 404
    assert (await stranger.get("/stream", params={"ouId": client.unit_id})).status_code == 404
    assert (await client.get("/stream", params={"ouId": "unit_\x00"})).status_code in {400, 404}


async def test_a_stream_needs_authentication(anonymous: Caller, world: World) -> None:
    forged = with_another_signature(sign_choice(world.admin, "someone"))
    attempts: list[dict[str, Any]] = [
        {},
        {"params": {"ouId": world.admin.unit_id}},
        {"headers": {"Cookie": f"activeOu={forged}"}},
        {"headers": {"Authorization": "Bearer nonsense"}},
    ]
    for attempt in attempts:
        response = await anonymous.get("/stream", **attempt)
        assert response.status_code == 401
        assert response.headers["content-type"] == "application/problem+json"


async def test_an_open_stream_needs_only_an_ou_id(
    app: Any, anonymous: Caller, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADVIBE_STREAM_OPEN", "true")
    settings.cache_clear()
    try:
        async with following(app, ouId=world.admin.unit_id) as open_stream:
            await until_alive(open_stream)
            await append(world.admin.unit_id, "a")
            assert shown(await open_stream.events(1)) == [("1", "a")]
        async with following(app, {"Cookie": "activeOu=stale"}, ouId=world.admin.unit_id) as with_stale_cookie:
            await until_alive(with_stale_cookie)
        assert (await anonymous.get("/stream", params={"ouId": "unit_nowhere"})).status_code == 404
        assert (await anonymous.get("/stream")).status_code == 401
    finally:
        monkeypatch.undo()
        settings.cache_clear()


async def test_a_stream_ends_after_its_access_ends(app: Any, client: Caller, make: Any) -> None:
    token = await make.token()
    headers = {"Authorization": f"Bearer {token['token']}", "X-OU-ID": client.unit_id}
    async with following(app, headers) as open_stream:
        await until_alive(open_stream)
        await append(client.unit_id, "a")
        assert shown(await open_stream.events(1)) == [("1", "a")]
        assert (await client.delete(f"/settings/tokens/{token['id']}")).status_code == 204
        assert await open_stream.rest() == []
