"""Resets and adjustments: what a person does to a score."""

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import func, select

from leadvibe.core.database.transactions import transaction
from leadvibe.scores.models import ScoreReset
from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]


async def score(client: Any, lead_id: str = "lead-1", **query: Any) -> int:
    return (await client.get(f"/score/{lead_id}", params=query)).raise_for_status().json()["score"]


async def test_a_reset_sets_every_ruleset_to_zero_and_returns_the_previous_totals(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rules({"Engagement": {"page_view": 5}, "Other": {"page_view": 7}})
    await make.event()
    await drain()

    done = (await client.post("/leads/lead-1/reset-scores")).json()

    assert done["status"] == "ok"
    assert done["lead_id"] == "lead-1"
    assert sorted(done["previous_scores"].values()) == [5, 7]
    assert await score(client) == 0


async def test_an_event_dated_before_the_reset_never_counts_again(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.event()
    await drain()
    await client.post("/lead/lead-1/reset-scores")

    await make.event(timestamp="2025-01-01T00:00:00Z")
    await make.event()
    await drain()

    assert await score(client) == 5
    assert len((await client.get("/events/lead-1", params={"event_type": "page_view"})).json()) == 3


async def test_an_event_queued_before_the_reset_does_not_survive_it(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.lead()
    await make.event()

    await client.post("/leads/lead-1/reset-scores")
    await drain()

    assert await score(client) == 0


async def test_a_reset_at_zero_lists_the_zeros_and_is_still_recorded(client: Caller, make: Make) -> None:
    await make.lead()

    done = (await client.post("/leads/lead-1/reset-scores")).json()

    assert list(done["previous_scores"].values()) == [0]
    assert (await client.get("/lead/lead-1")).json()["score_reset_at"] is None
    async with transaction(None) as session:
        query = select(func.count()).select_from(ScoreReset).where(ScoreReset.unit_id == client.unit_id)
        assert await session.scalar(query) == 1


async def test_a_reset_of_an_unknown_lead_is_not_found(client: Caller) -> None:
    assert (await client.post("/leads/nobody/reset-scores")).status_code == 404


async def test_a_viewer_may_neither_reset_nor_adjust(viewer: Caller, make: Make) -> None:
    await make.lead()

    assert (await viewer.post("/leads/lead-1/reset-scores")).status_code == 403
    assert (await viewer.post("/leads/lead-1/adjust-score", json={"points": 1})).status_code == 403


async def test_an_adjustment_is_limited_by_the_floor(client: Caller, make: Make) -> None:
    await make.lead()

    given = (await client.post("/leads/lead-1/adjust-score", json={"points": 10, "reason": "met at a fair"})).json()
    taken = (await client.post("/leads/lead-1/adjust-score", json={"points": -25})).json()

    assert (given["points_added"], given["score"]) == (10, 10)
    assert (taken["points_added"], taken["score"]) == (-10, 0)
    assert set(given) == {"lead_id", "ruleset_id", "points_added", "score"}


async def test_after_a_late_event_an_adjustment_is_applied_again_at_its_own_time(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("page_view", 5)
    await make.lead()
    await client.post("/leads/lead-1/adjust-score", json={"points": -3})

    await make.event(timestamp="2025-01-01T00:00:00Z")
    await drain()

    assert await score(client) == 2


async def test_an_invalid_adjustment_names_the_field(client: Caller, make: Make) -> None:
    await make.lead()

    for body, field in [
        ({}, "points"),
        ({"points": 1.5}, "points"),
        ({"points": "1"}, "points"),
        ({"points": 10**12}, "points"),
        ({"points": 1, "reason": "x" * 501}, "reason"),
        ({"points": 1, "why": ""}, "why"),
    ]:
        answer = await client.post("/leads/lead-1/adjust-score", json=body)
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_an_adjustment_in_an_unknown_ruleset_is_not_found(client: Caller, make: Make) -> None:
    await make.lead()

    answer = await client.post("/leads/lead-1/adjust-score", json={"points": 1, "ruleset_id": "rs_none"})

    assert answer.status_code == 404
