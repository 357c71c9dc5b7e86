"""The rows of a timeline that are no events are explained by their id, like events."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import transaction
from leadvibe.core.ids import new_uuid
from leadvibe.core.scope import Scope, system_scope
from leadvibe.scores.system_rows import system_rows
from support.callers import Caller
from support.make import Make
from support.plans import index_conditions_of
from support.postgres import TestDatabase
from support.world import World

Drain = Callable[[], Awaitable[None]]
Effects = list[tuple[int, int, int]]


async def row_of(client: Caller, event_type: str, lead_id: str = "lead-1") -> dict[str, Any]:
    """The newest row of this type."""
    return (await client.get(f"/events/{lead_id}", params={"event_type": event_type})).json()[0]


async def explained(client: Caller, row: dict[str, Any]) -> Effects:
    """(before, delta, after) in each ruleset."""
    explanation = (await client.get(f"/events/{row['id']}/score-explain")).raise_for_status().json()
    assert explanation["id"] == explanation["event_id"] == row["id"]
    assert (explanation["lead_id"], explanation["event_type"]) == (row["lead_id"], row["event_type"])
    assert (explanation["occurred_at"], explanation["suppression_reason"]) == (row["timestamp"], None)
    return [(effect["before"], effect["delta"], effect["after"]) for effect in explanation["rulesets"]]


async def test_a_decay_step_is_explained_in_each_ruleset(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rules({"Engagement": {"page_view": 12}, "Other": {"page_view": 8}})
    await make.decay(inactive_for=1, unit="days", decrease=5)
    await database.execute("UPDATE config_versions SET created_at = created_at - interval '1 year'")
    await make.event(timestamp="2026-01-10T12:00:00Z")
    await drain()
    assert await explained(client, await row_of(client, "DECAY")) == [(2, -2, 0)]
    steps = (await client.get("/events/lead-1", params={"event_type": "DECAY"})).json()
    assert sorted(await explained(client, steps[-1])) == [(8, -5, 3), (12, -5, 7)]
    assert sorted(await explained(client, steps[-2])) == [(3, -3, 0), (7, -5, 2)]


async def test_adjustments_and_resets_are_explained(client: Caller, make: Make) -> None:
    await make.lead()
    await client.post("/leads/lead-1/adjust-score", json={"points": 30})
    await client.post("/leads/lead-1/adjust-score", json={"points": -50})
    assert await explained(client, await row_of(client, "score_adjusted")) == [(30, -30, 0)]
    await client.post("/leads/lead-1/adjust-score", json={"points": 4})
    await client.post("/leads/lead-1/reset-scores")
    assert await explained(client, await row_of(client, "score_reset")) == [(4, -4, 0)]


async def test_a_lift_and_a_reset_without_a_note_are_explained(client: Caller, make: Make, drain: Drain) -> None:
    await make.rules({"Engagement": {"leave": -8, "page_view": 5}})
    await client.put("/settings/scoring", json={"allow_negative_scores": True})
    await make.lead()
    await client.post("/leads/lead-1/reset-scores")
    await make.event(timestamp="2026-01-10T12:00:00Z")
    await make.event("leave")
    await drain()
    await client.put("/settings/scoring", json={"allow_negative_scores": False})
    await make.event("note")
    await drain()
    assert await explained(client, await row_of(client, "score_reset")) == [(5, -5, 0)]
    assert await explained(client, await row_of(client, "score_lifted")) == [(-8, 8, 0)]


async def test_a_merge_and_an_alias_conflict_have_no_effect_of_their_own(
    client: Caller, make: Make, drain: Drain
) -> None:
    aliases = [{"alias_kind": "email", "raw_value": "ann@example.com"}]
    await make.rule("page_view", 5)
    await make.event(aliases=aliases)
    await drain()
    await make.event(lead_id="lead-2", aliases=aliases)
    await drain()
    await client.post("/leads/merge", json={"targetLeadId": "lead-1", "sourceLeadIds": ["lead-2"]})
    for event_type in ("lead_merged", "alias_conflict"):
        assert await explained(client, await row_of(client, event_type)) == []


async def test_a_row_of_another_unit_is_not_found(
    client: Caller, neighbour: Caller, stranger: Caller, make: Make
) -> None:
    await make.lead()
    await client.post("/leads/lead-1/adjust-score", json={"points": 30})
    await client.post("/leads/lead-1/reset-scores")
    rows = (await client.get("/events/lead-1")).json()
    assert len(rows) == 2
    for row in rows:
        for caller in (neighbour, stranger):
            assert (await caller.get(f"/events/{row['id']}/score-explain")).status_code == 404
            deleted = await caller.request("DELETE", "/events/batch", json={"ids": [row["id"]]})
            assert deleted.json() == {"deleted": 0}


@pytest.fixture
def scope(world: World) -> Scope:
    return system_scope(world.admin.org_id, world.admin.unit_id)


@pytest.fixture
async def session(database: TestDatabase, scope: Scope) -> AsyncGenerator[AsyncSession]:
    async with transaction(scope) as opened:
        # As it would be with many rows.
        await opened.execute(text("SET LOCAL enable_seqscan = off"))
        yield opened


async def test_a_row_is_found_by_indexes_of_ids(session: AsyncSession, scope: Scope) -> None:
    conditions = await index_conditions_of(session, system_rows(scope, [new_uuid()]))
    assert conditions.keys() == {"ix_timeline_entries_row_id", "ix_score_adjustments_id", "ix_score_entries_step_id"}
    assert all("= ANY" in condition for condition in conditions.values())
