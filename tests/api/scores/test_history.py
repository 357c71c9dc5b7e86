"""Scores of the past: at an instant, as believed at another, hour by hour."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]


@pytest.fixture
async def scored(client: Caller, make: Make, drain: Drain) -> str:
    """Five points at noon and ten at half past, in January 2026; the second arrived after `before`."""
    await make.rules({"Engagement": {"page_view": 5, "demo": 10}})
    await make.event("page_view", timestamp="2026-01-10T12:00:00Z")
    await drain()
    before = (await client.get("/score/lead-1", params={"at": "2026-01-11T00:00:00Z"})).json()["known_at"]
    await make.event("demo", timestamp="2026-01-10T12:30:00Z")
    await drain()
    return before


async def then(client: Caller, **query: Any) -> Any:
    return (await client.get("/leads/lead-1/score", params=query)).raise_for_status().json()


async def test_the_score_at_an_instant_counts_the_events_up_to_then(client: Caller, scored: str) -> None:
    assert (await then(client, at="2026-01-10T11:59:59Z"))["score"] == 0
    assert (await then(client, at="2026-01-10T12:00:00Z"))["score"] == 5
    assert (await then(client, at="2026-01-10T12:30:00Z"))["score"] == 15


@pytest.mark.parametrize("at", ["2026-01-10T14:00:00+02:00", "2026-01-10T14:00:00+02", "2026-01-10 14:00:00 +0200"])
async def test_the_plus_sign_in_a_query_string_need_not_be_encoded(client: Caller, scored: str, at: str) -> None:
    response = await client.get(f"/leads/lead-1/score?at={at}&known_at={at}")
    assert (response.status_code, response.json().get("at")) == (200, "2026-01-10T12:00:00Z")
    for query in (f"/score/lead-1/history?start_date={at}", f"/leads/lead-1/activity?range=custom&start={at}"):
        assert "with a time zone" not in (await client.get(query)).text


async def test_the_score_as_known_earlier_lacks_late_events(client: Caller, scored: str) -> None:
    believed = await then(client, at="2026-01-10T13:00:00Z", known_at=scored)

    assert believed["score"] == 5
    assert believed["at"] == "2026-01-10T13:00:00Z"
    assert believed["known_at"] == scored
    assert (await then(client, at="2026-01-10T13:00:00Z"))["score"] == 15


async def test_the_earlier_total_stays_readable_after_a_late_event_changed_it(
    client: Caller, make: Make, drain: Drain, scored: str
) -> None:
    await make.rule("refund", -7)
    await make.event("refund", timestamp="2026-01-10T12:15:00Z")
    await drain()
    known = (await then(client, at="2026-01-10T12:30:00Z"))["known_at"]
    await make.event("refund", timestamp="2026-01-10T12:10:00Z")
    await drain()

    assert (await then(client, at="2026-01-10T12:30:00Z"))["score"] == 10
    assert (await then(client, at="2026-01-10T12:30:00Z", known_at=known))["score"] == 10
    assert (await then(client, at="2026-01-10T12:14:00Z"))["score"] == 0
    assert (await then(client, at="2026-01-10T12:14:00Z", known_at=known))["score"] == 5


@pytest.mark.parametrize("field", ["at", "known_at"])
async def test_the_future_is_refused(client: Caller, make: Make, field: str) -> None:
    await make.lead()

    answer = await client.get("/score/lead-1", params={field: "2200-01-01T00:00:00Z"})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field


async def test_the_history_has_the_total_of_every_hour(client: Caller, scored: str) -> None:
    query = {"start_date": "2026-01-10T11:00:00Z", "end_date": "2026-01-10T14:00:00Z"}
    history = (await client.get("/lead/lead-1/score-history", params=query)).json()

    assert [(s["snapshot_at"], s["score"]) for s in history["snapshots"]] == [
        ("2026-01-10T12:00:00Z", 5),
        ("2026-01-10T13:00:00Z", 15),
        ("2026-01-10T14:00:00Z", 15),
    ]
    assert history["count"] == 3
    assert history["period"] == {"start": "2026-01-10T11:00:00Z", "end": "2026-01-10T14:00:00Z"}


async def test_the_history_drops_where_the_score_was_reset(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.event()
    await drain()
    await client.post("/leads/lead-1/reset-scores")

    history = (await client.get("/lead/lead-1/score-history")).json()

    reset_at = (await client.get("/lead/lead-1")).json()["score_reset_at"]
    assert {"snapshot_at": reset_at, "score": 0} in [
        {"snapshot_at": s["snapshot_at"], "score": s["score"]} for s in history["snapshots"]
    ]


async def test_a_history_of_more_than_a_year_is_refused(client: Caller, make: Make) -> None:
    await make.lead()

    answer = await client.get("/lead/lead-1/score-history", params={"start_date": "1970-01-01T00:00:00Z"})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "start_date"


@pytest.mark.parametrize("query", [{"days": 0}, {"start_date": "yesterday"}])
async def test_a_history_with_an_invalid_period_is_refused(client: Caller, make: Make, query: dict[str, Any]) -> None:
    await make.lead()

    answer = await client.get("/lead/lead-1/score-history", params=query)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == next(iter(query))


async def test_more_than_90_days_are_90(client: Caller, make: Make) -> None:
    await make.lead()
    end = "2025-06-01T00:00:00Z"
    periods = [
        (await client.get("/lead/lead-1/score-history", params={"days": days, "end_date": end})).json()["period"]
        for days in (90, 91, 10**30)
    ]
    assert periods == [{"start": "2025-03-03T00:00:00Z", "end": end}] * 3
