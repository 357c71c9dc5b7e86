"""Leaderboards: the highest scores and score gains."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]


def ago(**length: float) -> str:
    return (datetime.now(UTC) - timedelta(**length)).isoformat()


async def shown(client: Caller, path: str, **query: Any) -> list[dict[str, Any]]:
    return (await client.get(path, params=query)).raise_for_status().json()


async def gains(client: Caller, **query: Any) -> list[tuple[str, int, int]]:
    return [(row["lead_id"], row["score"], row["score_gain"]) for row in await shown(client, "/score-gains", **query)]


@pytest.fixture
async def three(make: Make, drain: Drain) -> None:
    """Ann got 30 points long ago and 5 this week, Bob 20 this week, Eve 10 long ago, and Tom none."""
    await make.rules({"Engagement": {"view": 5, "demo": 10}})
    await make.events(
        *({"lead_id": "ann", "event_type": "demo", "timestamp": ago(days=60)} for _ in range(3)),
        {"lead_id": "ann", "event_type": "view", "timestamp": ago(days=2)},
        *({"lead_id": "bob", "event_type": "demo", "timestamp": ago(days=3)} for _ in range(2)),
        {"lead_id": "eve", "event_type": "demo", "timestamp": ago(days=50)},
        {"lead_id": "eve", "event_type": "note", "timestamp": ago(days=1)},
    )
    await make.lead("tom")
    await drain()


async def test_the_highest_scores_come_first(client: Caller, three: None) -> None:
    top = await shown(client, "/top-leads")
    assert [(row["lead_id"], row["score"]) for row in top] == [("ann", 35), ("bob", 20), ("eve", 10), ("tom", 0)]
    assert top[0] == {"lead_id": "ann", "score": 35, "last_event_at": top[0]["last_event_at"]}
    assert [row["lead_id"] for row in await shown(client, "/top-leads", limit=1)] == ["ann"]


async def test_scores_below_zero_come_last(client: Caller, make: Make, drain: Drain, three: None) -> None:
    await client.put("/settings/scoring", json={"allow_negative_scores": True})
    await make.rule("unsubscribe", -7)
    await make.event("unsubscribe", "tom")
    await drain()
    assert [(row["lead_id"], row["score"]) for row in await shown(client, "/top-leads")][-1] == ("tom", -7)


async def test_the_lead_with_the_highest_score_gain_comes_first(client: Caller, three: None) -> None:
    assert await gains(client) == [("bob", 20, 20), ("ann", 35, 5)]
    assert await gains(client, range="last_24h") == []
    assert await gains(client, range="last_90d") == [("ann", 35, 35), ("bob", 20, 20), ("eve", 10, 10)]
    assert await gains(client, range="all", limit=1) == [("ann", 35, 35)]
    (row, _) = await shown(client, "/recent-score-gains")
    assert row["delta"] == row["score_gain"] == 20


async def test_a_reset_is_no_gain(client: Caller, make: Make, drain: Drain, three: None) -> None:
    await client.post("/leads/ann/reset-scores")
    await make.event("view", "ann")
    await client.post("/leads/bob/adjust-score", json={"points": -5})
    await drain()
    assert await gains(client) == [("bob", 15, 15)]
    assert [row["lead_id"] for row in await shown(client, "/top-leads")] == ["bob", "eve", "ann", "tom"]


async def test_each_ou_has_its_own_leaderboards(neighbour: Caller, stranger: Caller, three: None) -> None:
    for caller in (neighbour, stranger):
        assert await shown(caller, "/top-leads") == await shown(caller, "/score-gains") == []


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/top-leads", "limit", 0),
        ("/top-leads", "limit", 501),
        ("/score-gains", "range", "yesterday"),
        ("/score-gains", "limit", "few"),
    ],
)
async def test_an_invalid_query_is_refused(client: Caller, path: str, field: str, value: Any) -> None:
    answer = await client.get(path, params={field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
