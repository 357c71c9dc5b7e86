"""The list of leads: order, filters and pages."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadvibe.core.jobs.queue import drain_jobs
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]


async def listed(client: Caller, **params: Any) -> list[str]:
    response = await client.get("/leads", params=params)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["total"] == len(body["leads"]) or {"page", "limit"} & params.keys()
    return [lead["lead_id"] for lead in body["leads"]]


@pytest.fixture
async def three(make: Make, drain: Drain) -> None:
    """Hot has 20 points and warm 5; cold has none and was active weeks ago."""
    await make.rule("signup", 20)
    await make.rule("page_view", 5)
    await make.events(
        {"lead_id": "warm", "event_type": "page_view"},
        {"lead_id": "hot", "event_type": "signup"},
        {"lead_id": "cold", "event_type": "other", "timestamp": ago(days=20)},
    )
    await drain()


def ago(**distance: float) -> str:
    return (datetime.now(UTC) - timedelta(**distance)).isoformat()


async def test_an_empty_list_has_a_total_of_zero(client: Caller) -> None:
    response = await client.get("/leads")
    assert response.json() == {"leads": [], "total": 0, "page": 1, "limit": 50}
    assert response.headers["X-Total-Count"] == "0"


async def test_a_row_contains_scores_and_ruleset_names(client: Caller, make: Make, drain: Drain) -> None:
    campaign = await make.ruleset("Campaign")
    await make.rule("signup", 20)
    await make.rule("signup", 3, ruleset_id=campaign["ruleset_id"])
    await make.event("signup", timestamp="2025-01-01T12:00:00Z")
    await drain()
    (row,) = (await client.get("/leads")).json()["leads"]
    primary = row["ruleset_id"]
    assert row.pop("created_at") <= row.pop("updated_at")
    assert row == {
        "id": "lead-1",
        "lead_id": "lead-1",
        "org_id": client.org_id,
        "unit_id": client.unit_id,
        "account_id": None,
        "owner_id": None,
        "owner_name": None,
        "merged_into": None,
        "metadata": {},
        "score": 20,
        "ruleset_id": primary,
        "last_event_at": "2025-01-01T12:00:00Z",
        "last_event_type": "signup",
        "score_reset_at": None,
        "best_alias": None,
        "session_count": 1,
        "engagement_scores": {primary: 20, campaign["ruleset_id"]: 3},
        "profile_scores": {},
        "ruleset_names": {primary: "Engagement", campaign["ruleset_id"]: "Campaign"},
        "engagement_primary_ruleset_name": "Engagement",
        "profile_primary_ruleset_name": None,
    }


async def test_a_row_contains_the_alias_to_display(client: Caller, make: Make, drain: Drain) -> None:
    cookie = {"alias_kind": "cookie", "raw_value": "a-cookie"}
    email = {"alias_kind": "email", "raw_value": "Jane@example.com"}
    await make.events({"lead_id": "a", "aliases": [cookie, email]}, {"lead_id": "b"})
    await drain()
    rows = (await client.get("/leads")).json()["leads"]
    assert {row["lead_id"]: row["best_alias"] for row in rows} == {"a": "jane@example.com", "b": None}
    assert (await client.get("/lead/a")).json()["best_alias"] == "jane@example.com"


async def test_the_highest_score_comes_first_then_the_last_active_then_the_id(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("signup", 20)
    await make.lead("silent-b")
    await make.lead("silent-a")
    await make.events(
        {"lead_id": "earlier", "event_type": "other", "timestamp": "2025-01-01T00:00:00Z"},
        {"lead_id": "later", "event_type": "other", "timestamp": "2025-01-02T00:00:00Z"},
        {"lead_id": "best", "event_type": "signup", "timestamp": "2024-01-01T00:00:00Z"},
    )
    await drain()
    assert await listed(client) == ["best", "later", "earlier", "silent-b", "silent-a"]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"min_score": 5}, ["hot", "warm"]),
        ({"min_score": 6}, ["hot"]),
        ({"max_score": 5}, ["warm", "cold"]),
        ({"min_score": 0, "max_score": 0}, ["cold"]),
        ({"event_type": "page_view"}, ["warm"]),
        ({"event_type": "nothing like it"}, []),
        ({"last_active": "any"}, ["hot", "warm", "cold"]),
        ({"last_active": "7d"}, ["hot", "warm"]),
        ({"last_active": "30d", "max_score": 4}, ["cold"]),
        ({"range": "last_24h"}, ["hot", "warm", "cold"]),
    ],
)
async def test_filters_narrow_the_list(client: Caller, params: dict[str, Any], expected: list[str]) -> None:
    assert await listed(client, **params) == expected


async def test_the_range_applies_to_the_creation_of_leads(client: Caller, make: Make, database: TestDatabase) -> None:
    await make.lead("new")
    await make.lead("old")
    await database.execute("UPDATE leads SET created_at = now() - interval '10 days' WHERE lead_id = 'old'")
    assert await listed(client, range="last_7d") == ["new"]
    assert await listed(client, range="last_30d") == ["old", "new"]


@pytest.mark.usefixtures("three")
async def test_pages_are_linked_to_each_other(client: Caller) -> None:
    first = await client.get("/leads", params={"limit": 2, "min_score": 0})
    assert {name: first.json()[name] for name in ("total", "page", "limit")} == {"total": 3, "page": 1, "limit": 2}
    assert first.headers["X-Total-Count"] == "3"
    second = await client.get(first.links["next"]["url"])
    assert [lead["lead_id"] for lead in second.json()["leads"]] == ["cold"]
    assert "next" not in second.links
    assert (await client.get(second.links["prev"]["url"])).json() == first.json()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("page", 0),
        ("limit", 0),
        ("limit", 501),
        ("range", "last_year"),
        ("min_score", "much"),
        ("max_score", 2**63),
        ("last_active", "1d"),
        ("event_type", "a\x00b"),
        ("after", "9223372036854775808__x"),
    ],
)
async def test_an_invalid_filter_is_reported(client: Caller, field: str, value: Any) -> None:
    response = await client.get("/leads", params={field: value})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_merged_leads_are_not_listed(client: Caller, make: Make) -> None:
    await make.lead("source")
    await make.lead("target")
    await client.post("/leads/merge", json={"targetLeadId": "target", "sourceLeadIds": ["source"]})
    assert await listed(client) == ["target"]


@pytest.mark.usefixtures("three")
async def test_each_ou_lists_its_own_leads(neighbour: Caller, stranger: Caller) -> None:
    assert await listed(neighbour) == []
    assert await listed(stranger) == []


async def test_another_primary_ruleset_changes_the_order(client: Caller, make: Make, drain: Drain) -> None:
    other = await make.ruleset("Other")
    await make.rule("signup", 20)
    await make.rule("page_view", 30, ruleset_id=other["ruleset_id"])
    await make.events({"lead_id": "a", "event_type": "signup"}, {"lead_id": "b", "event_type": "page_view"})
    await drain()
    assert await listed(client) == ["a", "b"]

    await client.put(f"/rulesets/{other['ruleset_id']}", json={"is_primary": True})
    await drain_jobs()

    rows = (await client.get("/leads", params={"limit": 5})).json()["leads"]
    assert [(row["lead_id"], row["score"]) for row in rows] == [("b", 30), ("a", 0)]
    assert rows[0]["ruleset_id"] == other["ruleset_id"]
    assert await listed(client, min_score=1) == ["b"]


async def test_without_a_ruleset_every_score_is_zero(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("signup", 20)
    await make.event("signup")
    await drain()
    (row,) = (await client.get("/leads")).json()["leads"]
    assert row["score"] == 20

    await client.delete(f"/rulesets/{row['ruleset_id']}")
    await drain_jobs()

    (row,) = (await client.get("/leads")).json()["leads"]
    assert (row["score"], row["ruleset_id"], row["engagement_primary_ruleset_name"]) == (0, None, None)
    assert await listed(client, min_score=1) == []


async def test_the_next_page_follows_the_last_lead_even_if_new_leads_come_before_it(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("signup", 20)
    for name in ("a", "b", "c", "d"):
        await make.lead(name)
    page = await client.get("/leads", params={"limit": 2})
    assert [lead["lead_id"] for lead in page.json()["leads"]] == ["d", "c"]

    await make.event("signup", "new")
    await drain()

    page = await client.get(page.links["next"]["url"])
    assert [lead["lead_id"] for lead in page.json()["leads"]] == ["b", "a"]
    assert (page.json()["page"], page.json()["total"]) == (2, 5)
    assert "next" not in page.links


@pytest.mark.parametrize("after", ["", "1", "1_2", "x__lead", "1_y_lead", "1_99999999999999999999_lead", "1__\x00"])
async def test_an_invalid_cursor_is_refused(client: Caller, after: str) -> None:
    response = await client.get("/leads", params={"after": after})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["after"]


async def test_sessions_are_counted_in_the_range(client: Caller, make: Make, drain: Drain) -> None:
    await make.events(
        {"lead_id": "a", "event_type": "view", "timestamp": ago(days=3)},
        {"lead_id": "a", "event_type": "view", "timestamp": ago(days=3)},
        {"lead_id": "a", "event_type": "view", "timestamp": ago(minutes=5)},
        {"lead_id": "b", "event_type": "view", "timestamp": ago(days=3)},
    )
    await drain()

    async def sessions(**params: str) -> dict[str, int]:
        rows = (await client.get("/leads", params=params)).json()["leads"]
        return {row["lead_id"]: row["session_count"] for row in rows}

    assert await sessions() == {"a": 2, "b": 1}
    assert await sessions(range="last_24h") == {"a": 1, "b": 0}
    assert (await client.get("/lead/a")).json()["session_count"] == 2
