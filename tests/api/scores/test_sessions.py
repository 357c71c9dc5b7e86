"""A lead's sessions, derived from its events."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]


def at(minute: int) -> str:
    return (datetime(2026, 1, 10, 12, tzinfo=UTC) + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def sessions(client: Caller, **query: Any) -> list[dict[str, Any]]:
    return (await client.get("/leads/lead-1/sessions", params=query)).raise_for_status().json()


@pytest.fixture
async def two(client: Caller, make: Make, drain: Drain) -> None:
    """Three events without a pause, and a fourth more than half an hour later."""
    await make.rules({"Engagement": {"page_view": 5, "demo": 10, "refund": -20}})
    await make.events(
        {"timestamp": at(0), "metadata": {"channel": "Email"}},
        {"event_type": "demo", "timestamp": at(30), "metadata": {"channel": "web"}},
        {"event_type": "note", "timestamp": at(45)},
        {"event_type": "refund", "timestamp": at(76)},
    )
    await drain()


async def test_a_session_has_its_times_and_its_points(client: Caller, two: None) -> None:
    second, first = await sessions(client)

    events = {event["event_type"]: event["id"] for event in (await client.get("/events/lead-1")).json()}
    assert first == {
        "id": first["id"],
        "session_id": f"ss_{events['page_view'].removeprefix('ev_')}",
        "lead_id": "lead-1",
        "start": at(0),
        "end": at(45),
        "duration_seconds": 2700.0,
        "event_count": 3,
        "entry": "page_view",
        "exit": "note",
        "total_points": 15,
        "source": "email",
        "status": "ended",
    }
    assert (second["start"], second["event_count"], second["total_points"]) == (at(76), 1, -15)
    assert (second["entry"], second["exit"], second["duration_seconds"], second["source"]) == (
        "refund",
        "refund",
        0.0,
        None,
    )


async def test_a_late_event_joins_two_sessions(client: Caller, make: Make, drain: Drain, two: None) -> None:
    await make.event("note", timestamp=at(60))
    await drain()

    (only,) = await sessions(client)

    assert (only["start"], only["end"], only["event_count"], only["exit"]) == (at(0), at(76), 5, "refund")
    assert only["total_points"] == 0


async def test_a_session_is_active_while_another_event_may_join_it(
    client: Caller, make: Make, drain: Drain, two: None
) -> None:
    await make.event()
    await drain()
    assert [session["status"] for session in await sessions(client)] == ["active", "ended", "ended"]


async def test_suppressed_events_and_system_events_do_not_make_sessions(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.filter("page_view", count_threshold=1)
    await make.events(
        {"timestamp": at(0)}, {"timestamp": at(0)}, {"timestamp": at(90), "metadata": {"channel": "system"}}
    )
    await drain()
    assert [session["event_count"] for session in await sessions(client)] == [1]


async def test_sessions_are_paged(client: Caller, two: None) -> None:
    answer = await client.get("/lead/lead-1/sessions", params={"limit": 1})
    assert answer.headers["X-Total-Count"] == "2"
    following = await client.get(answer.links["next"]["url"])
    assert [session["start"] for session in (*answer.json(), *following.json())] == [at(76), at(0)]
    assert "next" not in following.links


async def test_sessions_of_an_unknown_lead_are_not_found(client: Caller, stranger: Caller, make: Make) -> None:
    await make.lead()
    assert await sessions(client) == []
    assert (await client.get("/leads/unknown/sessions")).status_code == 404
    assert (await stranger.get("/leads/lead-1/sessions")).status_code == 404
