"""A merged lead's score explained, and its timeline."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]

PARTS = ("drivers_total", "surge_total", "decay_applied", "adjustments", "floor_adjustment")


@pytest.fixture
async def merged(client: Caller, make: Make, drain: Drain) -> None:
    """`s` was reset after two of its three events, `t` after one of its two; then `s` went into `t`."""
    await make.rule("visit", 10)
    await make.events(*({"lead_id": lead_id, "event_type": "visit"} for lead_id in ("s", "s", "t")))
    await drain()
    for lead_id in ("s", "t"):
        (await client.post(f"/leads/{lead_id}/reset-scores")).raise_for_status()
    await make.events(*({"lead_id": lead_id, "event_type": "visit"} for lead_id in ("s", "t")))
    await drain()
    body = {"targetLeadId": "t", "sourceLeadIds": ["s"]}
    (await client.post("/leads/merge", json=body)).raise_for_status()


async def explained(client: Caller, lead_id: str) -> dict[str, Any]:
    return (await client.get(f"/lead/{lead_id}/score-explain", params={"all": True})).raise_for_status().json()


async def test_events_before_each_leads_own_reset_are_excluded(client: Caller, merged: None) -> None:
    explanation = await explained(client, "t")
    assert explanation["reset_excluded_count"] == 3
    assert sum(explanation[part] for part in PARTS) == explanation["score"] == explanation["score_change"] == 20


async def test_a_reset_after_the_merge_excludes_everything(client: Caller, merged: None) -> None:
    (await client.post("/leads/t/reset-scores")).raise_for_status()
    explanation = await explained(client, "t")
    assert (explanation["reset_excluded_count"], explanation["score"], explanation["top_drivers"]) == (5, 0, [])


async def test_a_merged_lead_is_explained_as_its_target(client: Caller, merged: None) -> None:
    explanation = await explained(client, "s")
    assert explanation.pop("merged_from") == "s"
    assert explanation == await explained(client, "t")


async def test_the_timeline_shows_the_merge(client: Caller, merged: None) -> None:
    (told,) = (await client.get("/events/t", params={"event_type": "lead_merged"})).json()
    assert told["channel"] == told["metadata"]["channel"] == "system"
    assert "s" in str(told["metadata"])


async def test_sessions_go_with_their_events(client: Caller, merged: None) -> None:
    (session,) = (await client.get("/leads/t/sessions")).json()
    assert (session["event_count"], session["total_points"]) == (5, 20)


async def test_events_that_never_scored_are_not_excluded_by_a_reset(
    client: Caller, make: Make, drain: Drain, merged: None
) -> None:
    """Neither those that came after the merge, nor those without a rule."""
    before = "2026-01-10T12:00:00Z"
    await make.events(*({"lead_id": "s", "event_type": name, "timestamp": before} for name in ("visit", "note")))
    await drain()
    assert (await explained(client, "t"))["reset_excluded_count"] == 3
    await make.lead("u")
    await client.post("/leads/merge", json={"targetLeadId": "u", "sourceLeadIds": ["t"]})
    assert (await explained(client, "u"))["reset_excluded_count"] == 3


async def test_events_of_an_earlier_merge_stay_excluded_after_the_next_one(
    client: Caller, make: Make, drain: Drain, merged: None
) -> None:
    (await client.post("/leads/t/reset-scores")).raise_for_status()
    await make.event("visit", "u")
    await drain()
    await client.post("/leads/merge", json={"targetLeadId": "u", "sourceLeadIds": ["t"]})
    explanation = await explained(client, "u")
    assert (explanation["reset_excluded_count"], explanation["score"]) == (5, 10)
