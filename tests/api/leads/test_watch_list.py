"""The watch list of a member."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]


async def watch(caller: Caller, lead_id: str = "lead-1", **body: Any) -> str:
    response = await caller.post(f"/leads/{lead_id}/watch", json=body or None)
    assert response.status_code == 201, response.text
    return response.json()["watch_id"]


async def watched(caller: Caller, **parameters: Any) -> list[dict[str, Any]]:
    response = await caller.get("/watched-leads", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()["watched_leads"]


@pytest.mark.parametrize("noun", ["lead", "leads"])
async def test_a_lead_is_added_to_the_list_and_removed(client: Caller, make: Make, noun: str) -> None:
    await make.lead()
    response = await client.post(
        f"/{noun}/lead-1/watch", json={"prediction": " will_convert ", "prediction_notes": "Line 1\nLine 2"}
    )
    watch_id = response.json()["watch_id"]
    assert (response.status_code, response.json()) == (
        201,
        {"watch_id": watch_id, "lead_id": "lead-1", "message": "Lead added to watch list"},
    )
    assert watch_id.startswith("watch_")
    (row,) = await watched(client)
    assert row.pop("watched_at").endswith("Z")
    assert row == {
        "watch_id": watch_id,
        "lead_id": "lead-1",
        "score": 0,
        "score_change": 0,
        "prediction": "will_convert",
        "prediction_notes": "Line 1\nLine 2",
        "outcome": "pending",
        "outcome_at": None,
    }
    assert (await client.delete(f"/{noun}/lead-1/watch")).status_code == 204
    assert await watched(client) == []
    assert (await client.delete(f"/{noun}/lead-1/watch")).status_code == 404


async def test_the_score_change_counts_from_the_time_the_lead_was_added(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("page_view", 10)
    await make.event()
    await drain()
    await watch(client)
    assert [(row["score"], row["score_change"]) for row in await watched(client)] == [(10, 0)]
    await make.event()
    await make.event(timestamp="2020-01-01T00:00:00Z")  # late: not included in the score at the time
    await drain()
    await client.post("/lead/lead-1/adjust-score", json={"points": -3, "reason": "x"})
    assert [(row["score"], row["score_change"]) for row in await watched(client)] == [(27, 17)]
    await client.post("/lead/lead-1/reset-scores")
    assert [(row["score"], row["score_change"]) for row in await watched(client)] == [(0, -10)]


async def test_two_members_who_watch_one_lead_each_have_their_own_score_change(
    client: Caller, viewer: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("page_view", 10)
    await make.lead()
    await watch(client)
    await make.event()
    await drain()
    await watch(viewer)
    assert [row["score_change"] for row in await watched(client)] == [10]
    assert [row["score_change"] for row in await watched(viewer)] == [0]


async def test_the_score_is_that_of_the_current_primary_ruleset(client: Caller, make: Make, drain: Drain) -> None:
    await make.rules({"Engagement": {"page_view": 10}, "Other": {"page_view": 3}})
    await make.event()
    await drain()
    await watch(client)
    rulesets = {row["name"]: row["ruleset_id"] for row in (await client.get("/rulesets")).json()}
    await client.put(f"/rulesets/{rulesets['Other']}", json={"is_primary": True})
    assert [(row["score"], row["score_change"]) for row in await watched(client)] == [(3, 0)]


async def test_a_lead_can_be_added_once(client: Caller, make: Make) -> None:
    await make.lead()
    await watch(client)
    assert (await client.post("/leads/lead-1/watch")).status_code == 409
    assert len(await watched(client)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prediction": ""}, "prediction"),
        ({"prediction": "two\nlines"}, "prediction"),
        ({"prediction_notes": "x" * 2001}, "prediction_notes"),
        ({"prediction_notes": "\x00"}, "prediction_notes"),
        ({"expectation": "won"}, "expectation"),
    ],
)
async def test_an_invalid_prediction_is_reported(client: Caller, make: Make, body: dict[str, Any], field: str) -> None:
    await make.lead()
    response = await client.post("/leads/lead-1/watch", json=body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, field)


async def test_credentials_have_no_watch_list(basic: Caller, make: Make) -> None:
    await make.lead()
    statuses = [
        (await basic.request(method, path)).status_code
        for method, path in (
            ("POST", "/leads/lead-1/watch"),
            ("DELETE", "/lead/lead-1/watch"),
            ("GET", "/watched-leads"),
        )
    ]
    assert statuses == [401, 401, 401]


async def test_each_member_has_one_list_per_ou(client: Caller, viewer: Caller, neighbour: Caller, make: Make) -> None:
    await make.lead()
    await watch(client)
    assert await watched(viewer) == await watched(neighbour) == []
    elsewhere = {"X-OU-ID": neighbour.unit_id}
    assert (await client.get("/watched-leads", headers=elsewhere)).json() == {"watched_leads": []}
    assert (await viewer.delete("/leads/lead-1/watch")).status_code == 404
    assert (await client.post("/leads/nobody/watch")).status_code == 404
    assert (await neighbour.post("/leads/lead-1/watch")).status_code == 404


async def test_the_list_is_paged_and_the_most_recently_added_lead_comes_first(client: Caller, make: Make) -> None:
    for lead_id in ("a", "b", "c"):
        await make.lead(lead_id)
        await watch(client, lead_id)
    response = await client.get("/watched-leads", params={"limit": 2})
    assert [row["lead_id"] for row in response.json()["watched_leads"]] == ["c", "b"]
    assert response.headers["X-Total-Count"] == "3"
    assert [row["lead_id"] for row in await watched(client, limit=2, page=2)] == ["a"]


async def test_a_merge_moves_entries_and_existing_entries_for_the_target_win(
    client: Caller, viewer: Caller, operator: Caller, make: Make
) -> None:
    for lead_id in ("t", "s1", "s2"):
        await make.lead(lead_id)
    await watch(client, "s1", prediction="source")
    await watch(client, "t", prediction="target")
    await watch(viewer, "s2", prediction="older")
    await watch(viewer, "s1", prediction="newer")
    await watch(operator, "s2")
    await client.post("/leads/merge", json={"targetLeadId": "t", "sourceLeadIds": ["s1", "s2"]})
    assert [(row["lead_id"], row["prediction"]) for row in await watched(client)] == [("t", "target")]
    assert [(row["lead_id"], row["prediction"]) for row in await watched(viewer)] == [("t", "older")]
    assert [row["lead_id"] for row in await watched(operator)] == ["t"]
    assert (await client.post("/leads/s1/watch")).status_code == 409


async def test_entries_are_deleted_with_their_lead_and_with_their_member(
    client: Caller, viewer: Caller, make: Make, database: TestDatabase
) -> None:
    for lead_id in ("a", "b"):
        await make.lead(lead_id)
        await watch(client, lead_id)
        await watch(viewer, lead_id)
    await client.delete("/lead/a")
    assert [row["lead_id"] for row in await watched(client)] == ["b"]
    assert (await client.delete(f"/members/{viewer.member_id}")).status_code == 204
    assert await database.fetchval("SELECT count(*) FROM watched_leads") == 1
