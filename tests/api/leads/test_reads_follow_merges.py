"""Reads of a merged lead return the lead that it was merged into; writes name it."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from support.callers import Caller
from support.make import Make
from support.operations import listed_operations

Drain = Callable[[], Awaitable[None]]

FIRST, SURVIVOR = "Müller 1", "ada"
MAIL = [{"alias_kind": "email", "raw_value": "ada@example.com"}]
READS = [each.path for each in listed_operations() if each.method == "GET" and "{lead_id}" in each.path]
WRITES = [
    pytest.param(each.method, each.path, id=str(each))
    for each in listed_operations()
    if each.method != "GET" and "{lead_id}" in each.path
]
ABOUT_A_DELETION = "deletion-status"


async def merge(client: httpx.AsyncClient, target: str, *sources: str) -> None:
    body = {"targetLeadId": target, "sourceLeadIds": list(sources)}
    (await client.post("/leads/merge", json=body)).raise_for_status()


@pytest.fixture(autouse=True)
async def chain(client: Caller, make: Make, drain: Drain) -> None:
    """FIRST was merged into "between", and that into SURVIVOR. All three have events, aliases and orders."""
    await make.rule("visit", 10)
    for lead_id in (FIRST, "between", SURVIVOR):
        await make.event("visit", lead_id, aliases=[{"alias_kind": "cookie", "raw_value": f"of {lead_id}"}])
        await make.order(f"order of {lead_id}", lead_id)
    await make.event("visit", SURVIVOR, aliases=MAIL)
    await drain()
    await client.put(f"/lead/{SURVIVOR}", json={"account_id": "acme", "metadata": {"plan": "pro"}})
    await merge(client, "between", FIRST)
    await merge(client, SURVIVOR, "between")


def lasting(response: httpx.Response) -> Any:
    """The body without the periods of a history and an explanation, which end now."""
    body = response.json()
    if isinstance(body, dict):
        body.pop("period", None)
        body.pop("since", None)
    return body


def answer(response: httpx.Response) -> Any:
    """The body without `merged_from`, which must name the merged lead, in the body or in a header."""
    assert response.status_code == 200, response.text
    body = lasting(response)
    if isinstance(body, dict) and "merged_from" in body:
        assert body.pop("merged_from") == FIRST
        body.get("lead", {}).pop("merged_from", None)
    else:
        assert response.headers["X-Merged-From"] == quote(FIRST)
    return body


@pytest.mark.parametrize("path", READS)
async def test_every_read_of_a_merged_lead_returns_the_survivor(client: Caller, path: str) -> None:
    of_merged = await client.get(path.replace("{lead_id}", FIRST))
    of_survivor = await client.get(path.replace("{lead_id}", SURVIVOR))
    if ABOUT_A_DELETION in path:
        assert (of_merged.status_code, of_survivor.status_code) == (404, 404)
        return
    assert "merged_from" not in of_survivor.text
    assert "X-Merged-From" not in of_survivor.headers
    assert answer(of_merged) == lasting(of_survivor) != []


async def test_a_past_score_follows_merges(client: Caller) -> None:
    past = (await client.get(f"/score/{FIRST}", params={"at": "2025-01-01T00:00:00Z"})).json()
    assert (past["lead_id"], past["merged_from"]) == (SURVIVOR, FIRST)


async def test_a_batch_of_scores_keeps_the_requested_ids(client: Caller) -> None:
    rows = (await client.post("/scores/batch", json={"lead_ids": [FIRST, SURVIVOR, "nobody", "between"]})).json()
    ruleset = rows[0]["ruleset_id"]
    assert rows == [
        {"lead_id": FIRST, "score": 40, "ruleset_id": ruleset, "merged_into": SURVIVOR},
        {"lead_id": SURVIVOR, "score": 40, "ruleset_id": ruleset},
        {"lead_id": "between", "score": 40, "ruleset_id": ruleset, "merged_into": SURVIVOR},
    ]


@pytest.mark.parametrize("path", ["/events", "/orders"])
async def test_lists_by_lead_follow_merges(client: Caller, path: str) -> None:
    of_merged = await client.get(path, params={"lead_id": FIRST})
    of_survivor = await client.get(path, params={"lead_id": SURVIVOR})
    assert answer(of_merged) == of_survivor.json() != []
    assert of_merged.headers["X-Total-Count"] == of_survivor.headers["X-Total-Count"] != "0"


async def test_an_export_by_lead_follows_merges(client: Caller) -> None:
    of_merged = await client.get("/events/export", params={"lead_id": FIRST})
    assert of_merged.text.count("visit") == 4


@pytest.mark.parametrize("query", ["müller", "MÜLLER 1", FIRST])
async def test_a_search_for_the_id_of_a_merged_lead_finds_the_survivor(client: Caller, query: str) -> None:
    matches = (await client.get("/leads/search", params={"q": query})).json()
    assert [(each["lead_id"], each["match_type"], each.get("merged_from")) for each in matches] == [
        (SURVIVOR, "id", FIRST)
    ]


async def test_a_search_lists_a_lead_once_under_its_own_id_first(client: Caller, make: Make) -> None:
    await make.lead("adam")
    await merge(client, "adam", SURVIVOR)
    (match,) = (await client.get("/leads/search", params={"q": "ada"})).json()
    assert (match["lead_id"], match.get("merged_from")) == ("adam", None)


async def test_a_rule_is_tested_on_the_survivor(client: Caller) -> None:
    body = {"lead_id": FIRST, "rule": {"event_type": "visit", "weight": 1}}
    assert (await client.post("/engagement-scoring/test", json=body)).json()["matching_events"] == 4


BODIES: dict[str, dict[str, Any]] = {"PUT": {"account_id": "x"}, "PATCH": {"a": 1}, "POST": {}, "DELETE": {}}


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_write_to_a_merged_lead_names_the_survivor(client: Caller, method: str, path: str) -> None:
    body = {"points": 1} if path.endswith("adjust-score") else BODIES[method]
    response = await client.request(method, path.replace("{lead_id}", FIRST), json=body)
    assert (response.status_code, response.json()["merged_into"]) == (409, SURVIVOR)
