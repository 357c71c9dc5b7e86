"""The score log of a lead: every line of its ledger, with the total after it."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadvibe.core.instants import show_instant
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase
from support.world import World

Drain = Callable[[], Awaitable[None]]
NOON = "2025-01-01T12:00:00Z"


def ago(**span: float) -> str:
    return show_instant(datetime.now(UTC) - timedelta(**span))


def cursor(*fields: Any) -> str:
    return urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


async def log(client: Caller, lead_id: str = "lead-1", **params: Any) -> list[dict[str, Any]]:
    return (await client.get(f"/leads/{lead_id}/score-log", params=params)).raise_for_status().json()


async def totals(client: Caller, **params: Any) -> list[tuple[str, int]]:
    """(kind or event type, total after), oldest first."""
    return [(line["event_type"] or line["kind"], line["total_after"]) for line in reversed(await log(client, **params))]


@pytest.mark.parametrize("noun", ["lead", "leads"])
async def test_a_line_tells_what_an_event_did_and_why(client: Caller, make: Make, drain: Drain, noun: str) -> None:
    filters = [{"field": "path", "operator": "contains", "value": "/pricing"}]
    rule = await make.rule("page_view", 5, attribute_filters=filters)
    sent = await make.event(timestamp=NOON, metadata={"path": "/pricing"})
    await drain()

    response = await client.get(f"/{noun}/lead-1/score-log")

    (line,) = response.json()
    assert response.headers["X-Total-Count"] == "1"
    assert line.pop("id").startswith("en_")
    assert line.pop("recorded_at") > NOON
    assert line == {
        "lead_id": "lead-1",
        "kind": "event",
        "occurred_at": NOON,
        "ruleset_id": rule["ruleset_id"],
        "ruleset_name": "Engagement",
        "event_id": sent["event_id"],
        "event_type": "page_view",
        "decay_id": None,
        "rules": [{"rule_id": rule["rule_id"], "weight": 5, "filter_label": "path contains /pricing"}],
        "base": 5,
        "multiplier": 1.0,
        "points": 5,
        "applied": 5,
        "total_after": 5,
        "reason": None,
        "author": None,
        "author_id": None,
    }


async def test_a_changed_rule_keeps_the_label_that_it_had_when_it_paid(
    client: Caller, make: Make, drain: Drain
) -> None:
    filters = [{"field": "path", "operator": "contains", "value": "/pricing"}]
    rule = await make.rule("page_view", 5, attribute_filters=filters)
    await make.event(timestamp=NOON, metadata={"path": "/pricing"})
    await drain()
    await client.put(f"/rules/{rule['rule_id']}", json={"weight": 6, "attribute_filters": []})
    await client.delete(f"/rules/{rule['rule_id']}")
    (line,) = await log(client)
    assert line["rules"] == [{"rule_id": rule["rule_id"], "weight": 5, "filter_label": "path contains /pricing"}]


async def test_adjustments_and_resets_name_their_author(
    client: Caller, basic: Caller, make: Make, drain: Drain, world: World
) -> None:
    await make.lead()
    await client.post("/leads/lead-1/adjust-score", json={"points": 7, "reason": "met at the fair"})
    await basic.post("/leads/lead-1/adjust-score", json={"points": 3})
    await basic.post("/leads/lead-1/reset-scores")

    reset, by_program, by_member = await log(client)

    assert (by_member["reason"], by_member["author"]) == ("met at the fair", "admin@acme.example")
    assert by_member["author_id"] == world.admin.member_id
    (credential,) = (await client.get("/secrets")).json()
    assert (by_program["reason"], by_program["author"]) == (None, credential["name"])
    assert (reset["kind"], reset["author_id"], reset["total_after"]) == ("reset", by_program["author_id"], 0)


async def test_the_author_of_a_deleted_credential_is_its_id(client: Caller, basic: Caller, make: Make) -> None:
    await make.lead()
    await basic.post("/leads/lead-1/adjust-score", json={"points": 3})
    (credential,) = (await client.get("/secrets")).json()
    (await client.delete(f"/secrets/{credential['secret_id']}")).raise_for_status()
    (line,) = await log(client)
    assert line["author"] == line["author_id"] == credential["secret_id"]


async def test_a_decay_step_names_its_rule_and_a_lift_is_a_line(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rules({"Engagement": {"page_view": 12, "leave": -30}})
    decay = await make.decay(inactive_for=1, unit="days", decrease=5)
    await client.put("/settings/scoring", json={"allow_negative_scores": True})
    await database.execute("UPDATE config_versions SET created_at = created_at - interval '2 years'")
    await make.event(timestamp=ago(hours=30))
    await make.event("leave", timestamp=ago(hours=5))
    await drain()
    assert await totals(client) == [("page_view", 12), ("decay", 7), ("leave", -23)]
    assert {line["decay_id"] for line in await log(client, kind="decay")} == {decay["decay_id"]}

    await client.put("/settings/scoring", json={"allow_negative_scores": False})
    await make.event()
    await drain()

    assert (await totals(client))[-2:] == [("lift", 0), ("page_view", 12)]


async def test_lines_of_one_instant_are_in_canonical_order(client: Caller, make: Make, drain: Drain) -> None:
    for weight, event_type in enumerate("cba", 1):
        await make.rule(event_type, weight)
        await make.event(event_type, timestamp=NOON)
        await drain()
    assert await totals(client) == [("a", 3), ("b", 5), ("c", 6)]
    assert await totals(client, limit=1, page=2) == [("b", 5)]


async def test_pages_are_exact_while_new_lines_arrive(client: Caller, make: Make, drain: Drain) -> None:
    await make.rules({"Engagement": {"page_view": 5}, "Other": {"page_view": 3}})
    await make.events(*({"timestamp": NOON, "metadata": {"n": n}} for n in range(4)))
    await drain()
    whole = await log(client)
    assert len(whole) == 8

    paged: list[dict[str, Any]] = []
    url = "/leads/lead-1/score-log?limit=3"
    while url:
        page = await client.get(url)
        paged += page.json()
        url = page.links.get("next", {}).get("url", "")
        await make.event()
        await drain()

    assert paged == whole


async def test_a_page_continues_after_a_line_that_is_no_longer_there(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.events(*({"timestamp": NOON, "metadata": {"n": n}} for n in range(4)))
    await drain()
    whole = [line["event_id"] for line in await log(client)]
    page = await client.get("/leads/lead-1/score-log?limit=2")
    await client.request("DELETE", "/events/batch", json={"ids": [whole[1]]})

    following = (await client.get(page.links["next"]["url"])).json()

    assert [line["event_id"] for line in following] == whole[2:]


async def test_lines_can_be_filtered_and_keep_their_totals(client: Caller, make: Make, drain: Drain) -> None:
    await make.rules({"Engagement": {"page_view": 5}, "Other": {"page_view": 3}})
    await make.events({"timestamp": NOON}, {"timestamp": "2025-01-02T12:00:00Z"}, {"timestamp": "2025-01-03T12:00:00Z"})
    await drain()
    await client.post("/leads/lead-1/adjust-score", json={"points": 100})
    await make.event()
    await client.post("/leads/lead-1/reset-scores")
    primary = (await log(client, kind="adjustment"))[0]["ruleset_id"]

    assert await totals(client, kind="adjustment") == [("adjustment", 115)]
    assert await totals(client, kind="adjustment,reset", ruleset_id=primary) == [("adjustment", 115), ("reset", 0)]
    assert await totals(client, kind=["reset", "adjustment"], ruleset_id=primary) == [("adjustment", 115), ("reset", 0)]
    assert await totals(client, start="2025-01-02T12:00:00Z", end="2025-01-03T12:00:00Z", ruleset_id=primary) == [
        ("page_view", 10)
    ]
    assert len(await log(client, range="last_24h")) == 3
    response = await client.get("/leads/lead-1/score-log", params={"kind": "event,reset", "limit": 2})
    assert response.headers["X-Total-Count"] == "8"


async def test_the_lines_of_a_deleted_ruleset_stay(client: Caller, make: Make, drain: Drain) -> None:
    other = await make.ruleset("Other")
    await make.rule("page_view", 3, ruleset_id=other["ruleset_id"])
    await make.event()
    await drain()
    await client.delete(f"/rulesets/{other['ruleset_id']}")
    (line,) = await log(client, ruleset_id=other["ruleset_id"])
    assert (line["ruleset_name"], line["total_after"]) == (None, 3)


async def test_a_merged_lead_has_the_log_of_its_survivor(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.event(lead_id="s")
    await make.event(lead_id="t")
    await drain()
    await client.post("/leads/merge", json={"targetLeadId": "t", "sourceLeadIds": ["s"]})
    response = await client.get("/leads/s/score-log")
    assert response.headers["X-Merged-From"] == "s"
    assert response.json() == await log(client, "t")
    assert [line["total_after"] for line in response.json()] == [10, 5]


async def test_a_lead_without_points_has_an_empty_log(client: Caller, make: Make) -> None:
    await make.lead()
    response = await client.get("/leads/lead-1/score-log")
    assert (response.json(), response.headers["X-Total-Count"]) == ([], "0")
    (ruleset,) = (await client.get("/rulesets")).json()
    assert await log(client, ruleset_id=ruleset["ruleset_id"]) == []


async def test_a_viewer_may_read_the_log_and_a_stranger_may_not(
    viewer: Caller, basic: Caller, stranger: Caller, make: Make
) -> None:
    await make.lead()
    for caller, status in ((viewer, 200), (basic, 200), (stranger, 404)):
        assert (await caller.get("/leads/lead-1/score-log")).status_code == status


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"kind": "merge"}, "kind.0"),
        ({"kind": "event,"}, "kind.1"),
        ({"limit": "501"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"range": "custom"}, "start"),
        ({"start": NOON, "end": NOON}, "end"),
        ({"start": "yesterday"}, "start"),
        ({"after": "nothing"}, "after"),
        ({"after": cursor(1, 1, "a\0", "", "", 1, "0" * 32, "")}, "after"),
        ({"after": cursor(10**30, 1, "a", "", "", 1, "0" * 32, "")}, "after"),
        ({"after": cursor(1, 1, "a", "no digest", "", 1, "0" * 32, "")}, "after"),
        ({"after": cursor(1, 1, "a", "", "", 2**31, "0" * 32, "")}, "after"),
        ({"after": cursor(1, 1, "a", "", "", 1, "no id", "")}, "after"),
    ],
)
async def test_an_invalid_query_is_refused(client: Caller, make: Make, params: dict[str, str], field: str) -> None:
    await make.lead()
    response = await client.get("/leads/lead-1/score-log", params=params)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_an_unknown_lead_or_ruleset_is_not_found(client: Caller, make: Make) -> None:
    await make.lead()
    assert (await client.get("/leads/unknown/score-log")).status_code == 404
    assert (await client.get("/leads/lead-1/score-log?ruleset_id=rs_none")).status_code == 404
