"""Random histories: the score deltas of a lead's complete activity add up to its score, and each row is explained."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leadvibe.core.http.paging import MAX_LIMIT
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase
from support.random_leads import TARGET, RandomLeads

Drain = Callable[[], Awaitable[None]]


async def activity(client: Caller, lead_id: str) -> list[dict[str, Any]]:
    params = {"range": "all", "limit": MAX_LIMIT}
    rows = (await client.get(f"/leads/{lead_id}/activity", params=params)).raise_for_status().json()["events"]
    assert len(rows) < MAX_LIMIT
    return rows


async def check(client: Caller, lead_id: str) -> set[str]:
    """Returns the types of the rows."""
    (primary,) = (each["ruleset_id"] for each in (await client.get("/rulesets")).json() if each["is_primary"])
    rows = await activity(client, lead_id)
    score = (await client.get(f"/score/{lead_id}", params={"ruleset_id": primary})).json()["score"]
    assert sum(row["score_delta"] for row in rows) == score
    timeline = (await client.get(f"/events/{lead_id}", params={"limit": MAX_LIMIT})).json()
    assert [row["id"] for row in timeline] == [row["id"] for row in rows]
    for row in rows:
        explained = (await client.get(f"/events/{row['id']}/score-explain")).raise_for_status().json()
        assert (explained["id"], explained["lead_id"], explained["event_type"], explained["occurred_at"]) == (
            *(row["id"], row["lead_id"], row["event_type"], row["timestamp"]),
        )
        deltas = [effect["delta"] for effect in explained["rulesets"] if effect["ruleset_id"] == primary]
        assert (deltas or [0]) == [row["score_delta"]]
    return {row["event_type"] for row in rows}


@pytest.mark.parametrize("seed", range(3))
async def test_the_deltas_of_a_complete_activity_add_up_to_the_score(
    client: Caller, make: Make, drain: Drain, database: TestDatabase, seed: int
) -> None:
    leads = RandomLeads(seed, client, make, drain)
    await leads.configure(database)
    await leads.live(8)
    await leads.end()
    types: set[str] = set()
    for lead_id in leads.leads:
        types |= await check(client, lead_id)
    assert {"visit", "DECAY", "score_adjusted", "score_lifted"} <= types
    await leads.merge()
    types = await check(client, TARGET)
    assert {"visit", "score_adjusted", "lead_merged"} <= types
    await leads.live(4)
    await leads.end()
    await check(client, TARGET)
