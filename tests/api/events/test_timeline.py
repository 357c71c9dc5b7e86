"""The timeline of a lead: its events and, on channel `system`, the other changes of its score."""

from collections.abc import Awaitable, Callable
from typing import Any

from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]


async def timeline(client: Caller, **query: Any) -> list[dict[str, Any]]:
    return (await client.get("/events/lead-1", params=query)).raise_for_status().json()


async def types(client: Caller, **query: Any) -> list[str]:
    return [row["event_type"] for row in await timeline(client, **query)]


async def long_silent(make: Make, database: TestDatabase, drain: Drain, weight: int = 12) -> dict[str, Any]:
    """A lead that got points at noon and lost 5 of them on each of the following days, as long as any were left."""
    await make.rule("page_view", weight)
    decay = await make.decay(inactive_for=1, unit="days", decrease=5)
    await database.execute("UPDATE config_versions SET created_at = created_at - interval '1 year'")
    await make.event(timestamp="2026-01-10T12:00:00Z")
    await drain()
    return decay


async def test_each_decay_step_is_listed_at_its_instant(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    decay = await long_silent(make, database, drain)

    third, second, first, viewed = await timeline(client)

    assert viewed["event_type"] == "page_view"
    assert [row["timestamp"] for row in (first, second, third)] == [f"2026-01-{day}T12:00:00Z" for day in (11, 12, 13)]
    assert {row["event_type"] for row in (first, second, third)} == {"DECAY"}
    assert {row["channel"] for row in (first, second, third)} == {"system"}
    (ruleset_id,) = first["metadata"]["rulesets"]
    assert first["metadata"] == {
        "channel": "system",
        "decay_id": decay["decay_id"],
        "steps": 1,
        "decrease": 5,
        "rulesets": {ruleset_id: -5},
    }
    assert third["metadata"]["rulesets"] == {ruleset_id: -2}


async def test_a_step_is_one_row_even_if_it_lowers_several_rulesets(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rules({"Other": {"page_view": 4}})
    await long_silent(make, database, drain, weight=4)

    (step,) = await timeline(client, event_type="DECAY")

    assert sorted(step["metadata"]["rulesets"].values()) == [-4, -4]


async def test_a_late_event_removes_decay_steps_that_are_no_longer_due(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await long_silent(make, database, drain, weight=5)
    assert await types(client) == ["DECAY", "page_view"]

    await make.event("note", timestamp="2026-01-11T11:00:00Z")
    await drain()

    assert [(row["event_type"], row["timestamp"]) for row in await timeline(client)] == [
        ("DECAY", "2026-01-12T11:00:00Z"),
        ("note", "2026-01-11T11:00:00Z"),
        ("page_view", "2026-01-10T12:00:00Z"),
    ]


async def test_a_reset_is_listed_with_the_previous_scores(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.event()
    await drain()
    await client.post("/leads/lead-1/reset-scores")

    reset, _ = await timeline(client)

    assert reset["event_type"] == "score_reset"
    assert reset["channel"] == reset["metadata"]["channel"] == "system"
    assert list(reset["metadata"]["previous_scores"].values()) == [5]
    assert reset["id"].startswith("ev_")
    assert reset["lead_id"] == "lead-1"


async def test_an_alias_conflict_is_listed_on_both_timelines(client: Caller, make: Make, drain: Drain) -> None:
    aliases = [{"alias_kind": "email", "raw_value": "ann@example.com"}]
    await make.event(aliases=aliases)
    await drain()
    await make.event(lead_id="lead-2", aliases=aliases)
    await drain()

    for lead_id in ("lead-1", "lead-2"):
        rows = (await client.get(f"/events/{lead_id}", params={"event_type": "alias_conflict"})).json()
        assert [(row["event_type"], row["channel"]) for row in rows] == [("alias_conflict", "system")]


async def test_the_filter_by_type_applies_to_all_kinds_of_rows(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await long_silent(make, database, drain)
    assert await types(client, event_type="DECAY") == ["DECAY"] * 3
    assert await types(client, event_type="page_view") == ["page_view"]
    assert await types(client, event_type="score_reset") == []


async def test_pages_are_exact_while_new_events_arrive(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await long_silent(make, database, drain)
    await make.event("note", timestamp="2026-01-20T12:00:00Z")
    await drain()
    whole = [row["id"] for row in await timeline(client)]
    assert len(whole) == 5

    paged: list[str] = []
    url = "/events/lead-1?limit=2"
    while url:
        page = await client.get(url)
        assert page.headers["X-Total-Count"] == str(5 + len(paged) // 2)
        paged += [row["id"] for row in page.json()]
        url = page.links.get("next", {}).get("url", "")
        await make.event("note")
        await drain()

    assert paged == whole


async def test_pages_can_be_requested_by_number(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await long_silent(make, database, drain)
    whole = [row["id"] for row in await timeline(client)]

    pages = [[row["id"] for row in await timeline(client, limit=3, page=page)] for page in (1, 2, 3)]

    assert pages == [whole[:3], whole[3:], []]


async def test_an_adjustment_is_listed_with_its_reason_and_author(
    client: Caller, basic: Caller, make: Make, drain: Drain
) -> None:
    await make.event("note")
    await drain()
    await client.post("/leads/lead-1/adjust-score", json={"points": 7, "reason": "met at the fair"})
    await basic.post("/leads/lead-1/adjust-score", json={"points": -2})
    (ruleset,) = (await client.get("/rulesets")).json()
    (credential,) = (await client.get("/secrets")).json()

    by_program, by_member = await timeline(client, event_type="score_adjusted")

    assert await types(client) == ["score_adjusted", "score_adjusted", "note"]
    assert by_member["channel"] == "system"
    assert by_member["metadata"] == {
        "channel": "system",
        "ruleset_id": ruleset["ruleset_id"],
        "points": 7,
        "reason": "met at the fair",
        "adjusted_by": client.member_id,
        "author": "admin@acme.example",
    }
    assert by_program["metadata"] | {"reason": None, "author": credential["name"]} == by_program["metadata"]


async def test_lifted_negative_scores_are_one_row(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rules({"Engagement": {"leave": -8}, "Other": {"leave": -3}})
    await client.put("/settings/scoring", json={"allow_negative_scores": True})
    await make.event("leave")
    await drain()
    await client.put("/settings/scoring", json={"allow_negative_scores": False})
    await make.event("note")
    await drain()

    (lifted,) = await timeline(client, event_type="score_lifted")

    assert lifted["channel"] == lifted["metadata"]["channel"] == "system"
    assert sorted(lifted["metadata"]["rulesets"].values()) == [3, 8]


async def test_a_reset_of_zero_is_listed_when_a_late_event_gives_it_something_to_reset(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("page_view", 5)
    await make.lead()
    await client.post("/leads/lead-1/reset-scores")
    assert await types(client) == []

    await make.event(timestamp="2026-01-10T12:00:00Z")
    await drain()

    reset, viewed = await timeline(client)
    assert (reset["event_type"], viewed["event_type"]) == ("score_reset", "page_view")
    assert list(reset["metadata"]["previous_scores"].values()) == [5]
    assert reset["metadata"]["reset_by"] == client.member_id
    assert await make.score() == 0


async def test_a_reset_with_a_note_is_listed_once(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.event()
    await drain()
    await client.post("/leads/lead-1/reset-scores")
    await make.event(timestamp="2026-01-10T12:00:00Z")
    await drain()
    assert await types(client) == ["score_reset", "page_view", "page_view"]


async def test_an_adjustment_from_before_a_merge_keeps_its_id_and_names_its_lead(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.lead("source")
    await make.lead()
    await client.post("/leads/source/adjust-score", json={"points": 7})
    (before,) = (await client.get("/events/source")).json()
    await client.post("/leads/merge", json={"targetLeadId": "lead-1", "sourceLeadIds": ["source"]})
    (after,) = await timeline(client, event_type="score_adjusted")
    assert (before["id"], after["original_lead_id"], after["lead_id"]) == (after["id"], "source", "lead-1")
