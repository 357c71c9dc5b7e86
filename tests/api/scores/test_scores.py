"""Scores: which total is the score, for one lead and for many."""

from collections.abc import Awaitable, Callable

import pytest

from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]


@pytest.fixture
async def campaign(make: Make, drain: Drain) -> str:
    """lead-1 has 20 in the primary ruleset and 35 in the one whose id this is; lead-2 has 20 and nothing."""
    ruleset_id = (await make.ruleset("Campaign"))["ruleset_id"]
    await make.rule("signup", 20)
    await make.rule("webinar", 35, ruleset_id=ruleset_id)
    await make.events(
        {"event_type": "signup"}, {"event_type": "webinar"}, {"event_type": "signup", "lead_id": "lead-2"}
    )
    await drain()
    return ruleset_id


async def primary(client: Caller) -> str:
    return next(ruleset["ruleset_id"] for ruleset in (await client.get("/rulesets")).json() if ruleset["is_primary"])


@pytest.mark.parametrize("path", ["/score/lead-1", "/lead/lead-1/score", "/leads/lead-1/score"])
async def test_a_lead_without_events_has_a_score_of_zero(client: Caller, make: Make, path: str) -> None:
    await make.lead("lead-1")
    ruleset_id = await primary(client)
    assert (await client.get(path)).json() == {
        "lead_id": "lead-1",
        "score": 0,
        "ruleset_id": ruleset_id,
        "engagement_scores": {ruleset_id: 0},
        "profile_scores": {},
    }


async def test_the_score_is_the_highest_over_the_active_rulesets(client: Caller, campaign: str) -> None:
    assert (await client.get("/score/lead-1")).json() == {
        "lead_id": "lead-1",
        "score": 35,
        "ruleset_id": campaign,
        "engagement_scores": {await primary(client): 20, campaign: 35},
        "profile_scores": {},
    }


@pytest.mark.parametrize(
    "change", ["active = false", "end_at = now() - interval '1 second'", "start_at = now() + interval '1 hour'"]
)
async def test_a_ruleset_that_is_not_active_now_does_not_count(
    client: Caller, campaign: str, database: TestDatabase, change: str
) -> None:
    await database.execute(f"UPDATE rulesets SET {change} WHERE ruleset_id = $1", campaign)
    body = (await client.get("/score/lead-1")).json()
    assert (body["score"], body["ruleset_id"]) == (20, await primary(client))
    assert body["engagement_scores"][campaign] == 35


async def test_the_score_in_one_ruleset_can_be_read(client: Caller, campaign: str) -> None:
    body = (await client.get("/score/lead-2", params={"ruleset_id": campaign})).json()
    assert (body["score"], body["ruleset_id"]) == (0, campaign)
    body = (await client.get("/score/lead-1", params={"ruleset_id": campaign})).json()
    assert (body["score"], body["ruleset_id"]) == (35, campaign)


async def test_zero_in_one_ruleset_is_higher_than_a_negative_total_in_another(client: Caller, campaign: str) -> None:
    await client.put("/settings/scoring", json={"allow_negative_scores": True})
    await client.post("/leads/lead-2/adjust-score", json={"points": -25})
    body = (await client.get("/score/lead-2")).json()
    assert (body["score"], body["ruleset_id"]) == (0, campaign)


async def test_an_unknown_lead_or_ruleset_is_not_found(client: Caller, campaign: str, stranger: Caller) -> None:
    assert (await client.get("/score/unknown")).status_code == 404
    assert (await client.get("/score/lead-1", params={"ruleset_id": "rs_unknown"})).status_code == 404
    assert (await stranger.get("/score/lead-1")).status_code == 404


async def test_a_batch_keeps_the_order_and_leaves_out_unknown_leads(client: Caller, campaign: str) -> None:
    response = await client.post("/scores/batch", json={"lead_ids": ["lead-2", "unknown", "lead-1"]})
    ruleset_id = await primary(client)
    assert response.status_code == 200
    assert response.json() == [
        {"lead_id": "lead-2", "score": 20, "ruleset_id": ruleset_id},
        {"lead_id": "lead-1", "score": 20, "ruleset_id": ruleset_id},
    ]


@pytest.mark.parametrize("by", ["id", "name"])
async def test_the_ruleset_of_a_batch_is_named_by_id_or_name(client: Caller, campaign: str, by: str) -> None:
    ruleset = campaign if by == "id" else "Campaign"
    response = await client.post("/scores/batch", json={"lead_ids": ["lead-1", "lead-2"], "ruleset": ruleset})
    assert [(row["score"], row["ruleset_id"]) for row in response.json()] == [(35, campaign), (0, campaign)]


async def test_a_batch_of_an_unknown_ruleset_is_not_found(client: Caller, campaign: str) -> None:
    response = await client.post("/scores/batch", json={"lead_ids": ["lead-1"], "ruleset": "unknown"})
    assert response.status_code == 404


async def test_without_a_primary_ruleset_every_score_of_a_batch_is_0(client: Caller, campaign: str) -> None:
    for ruleset in sorted((await client.get("/rulesets")).json(), key=lambda ruleset: ruleset["is_primary"]):
        await client.delete(f"/rulesets/{ruleset['ruleset_id']}")
    response = await client.post("/scores/batch", json={"lead_ids": ["lead-1"], "ruleset": "primary"})
    assert response.json() == [{"lead_id": "lead-1", "score": 0, "ruleset_id": None}]


async def test_a_batch_has_1_to_500_leads(client: Caller, make: Make) -> None:
    await make.lead("lead-1")
    assert len((await client.post("/scores/batch", json={"lead_ids": ["lead-1"] * 500})).json()) == 500
    for wrong in ({}, {"lead_ids": []}, {"lead_ids": ["lead-1"] * 501}, {"lead_ids": "lead-1"}):
        response = await client.post("/scores/batch", json=wrong)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "lead_ids")


async def test_a_viewer_reads_scores(viewer: Caller, campaign: str) -> None:
    assert (await viewer.get("/score/lead-1")).status_code == 200
    assert (await viewer.post("/scores/batch", json={"lead_ids": ["lead-1"]})).status_code == 200


async def test_a_batch_does_not_see_another_units_leads(neighbour: Caller, campaign: str) -> None:
    assert (await neighbour.post("/scores/batch", json={"lead_ids": ["lead-1"]})).json() == []
