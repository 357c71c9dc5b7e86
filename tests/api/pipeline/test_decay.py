"""Score changes that no event causes: decay steps, and changes of the configuration."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadvibe.core.jobs.queue import drain_jobs
from leadvibe.pipeline.tasks import advance_due_leads
from support.callers import Caller
from support.ledger import differences
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

DAY = timedelta(days=1)
LEDGER = "SELECT occurred_at, kind, applied FROM score_entries WHERE superseded_at IS NULL ORDER BY occurred_at, kind"


def ago(silence: timedelta) -> str:
    return (datetime.now(UTC) - silence).isoformat().replace("+00:00", "Z")


async def silent_lead(make: Make, drain: Drain, silence: timedelta = 90 * DAY, **event: Any) -> None:
    """A lead with 50 points, inactive for this long."""
    await make.rule("signup", 50)
    await make.event("signup", timestamp=ago(silence), **event)
    await drain()


async def due_at(database: TestDatabase, lead_id: str = "lead-1") -> datetime | None:
    return await database.fetchval("SELECT next_decay_at FROM leads WHERE lead_id = $1", lead_id)


async def made_at(database: TestDatabase, unit_id: str) -> datetime:
    """The instant of the newest version of the configuration."""
    return await database.fetchval("SELECT max(created_at) FROM config_versions WHERE unit_id = $1", unit_id)


async def test_a_decay_made_in_the_middle_of_silence_first_steps_at_its_creation(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await silent_lead(make, drain)
    assert await due_at(database) is None

    decay = await make.decay(30, "days", 20)
    await drain_jobs()

    made = await made_at(database, client.unit_id)
    event, step = await database.fetch(LEDGER)
    assert (event["kind"], event["applied"]) == ("event", 50)
    assert dict(step) == {"occurred_at": made, "kind": "decay", "applied": -20}
    assert await make.score() == 30
    assert await due_at(database) == made + 30 * DAY
    assert await database.fetchval("SELECT subject_id FROM score_entries WHERE kind = 'decay'") == decay["id"]


async def test_a_decay_made_soon_after_activity_is_due_a_period_after_it(
    make: Make, drain: Drain, database: TestDatabase
) -> None:
    await silent_lead(make, drain, 10 * DAY)

    await make.decay(30, "days", 20)
    await drain_jobs()

    active = await database.fetchval("SELECT occurred_at FROM events")
    assert await due_at(database) == active + 30 * DAY
    assert await make.score() == 50


async def test_a_deleted_decay_takes_no_more_points_and_returns_none(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await silent_lead(make, drain)
    decay = await make.decay(30, "days", 20)
    await drain_jobs()

    await client.delete(f"/decays/{decay['id']}")
    await drain_jobs()

    assert await due_at(database) is None
    assert await make.score() == 30


async def test_a_decay_that_is_switched_off_and_on_takes_no_points_at_once(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await silent_lead(make, drain)
    decay = await make.decay(30, "days", 20)
    await drain_jobs()
    due, score = await due_at(database), await make.score()
    for active in (False, True, False, True):
        await client.put(f"/decays/{decay['id']}", json={"active": active})
        await drain_jobs()
    assert (await due_at(database), await make.score()) == (due, score) == (due, 30)


async def test_a_decay_that_is_switched_on_again_counts_from_then(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await silent_lead(make, drain, 10 * DAY)
    decay = await make.decay(30, "days", 20, active=False)
    await drain_jobs()
    assert await due_at(database) is None

    await client.put(f"/decays/{decay['id']}", json={"active": True, "inactive_for": 7})
    await drain_jobs()

    assert await due_at(database) == await made_at(database, client.unit_id) + 7 * DAY
    assert await make.score() == 30


async def test_a_changed_decrease_keeps_the_instants_and_a_changed_period_starts_to_count_anew(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await silent_lead(make, drain, 10 * DAY)
    decay = await make.decay(30, "days", 20)
    await drain_jobs()
    due = await due_at(database)

    await client.put(f"/decays/{decay['id']}", json={"decrease": 5})
    await drain_jobs()
    assert await due_at(database) == due

    await client.put(f"/decays/{decay['id']}", json={"inactive_for": 40})
    await drain_jobs()
    assert await due_at(database) == await made_at(database, client.unit_id) + 40 * DAY


async def test_due_leads_are_advanced_once_even_if_the_task_runs_twice(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await silent_lead(make, drain)
    await make.decay(30, "days", 20)
    # As if the rule had existed when the lead was last scored, and a step had fallen due since.
    await database.execute("UPDATE leads SET next_decay_at = now()")

    await asyncio.gather(advance_due_leads(), advance_due_leads())
    await advance_due_leads()
    await drain_jobs()

    made = await made_at(database, client.unit_id)
    assert [(line["kind"], line["applied"]) for line in await database.fetch(LEDGER)] == [("event", 50), ("decay", -20)]
    assert await due_at(database) == made + 30 * DAY
    assert await differences(database) == []


async def test_an_event_is_saved_with_the_decay_steps_due_after_it(
    make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.decay(30, "days", 10)
    await database.execute("UPDATE config_versions SET created_at = created_at - interval '200 days'")

    await silent_lead(make, drain, 95 * DAY)

    assert [line["applied"] for line in await database.fetch(LEDGER)] == [50, -10, -10, -10]
    assert await make.score() == 20
    active = await database.fetchval("SELECT occurred_at FROM events")
    assert await due_at(database) == active + 120 * DAY


async def test_a_lead_at_the_floor_is_not_due_until_points_come_back(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.decay(1, "hours", 25)
    await database.execute("UPDATE config_versions SET created_at = created_at - interval '200 days'")
    await silent_lead(make, drain, 95 * DAY)
    assert [line["applied"] for line in await database.fetch(LEDGER)] == [50, -25, -25]
    assert await due_at(database) is None
    written = "SELECT xmin::text FROM leads"
    before = await database.fetchval(written)
    await advance_due_leads()
    assert await database.fetchval(written) == before

    (await client.post("/leads/lead-1/adjust-score", json={"points": 5, "reason": "a call"})).raise_for_status()
    due, active = await due_at(database), await database.fetchval("SELECT occurred_at FROM events")
    adjusted = await database.fetchval("SELECT adjusted_at FROM score_adjustments")
    assert due is not None
    assert adjusted < due <= adjusted + timedelta(hours=1)
    assert (due - active) % timedelta(hours=1) == timedelta()
    assert await make.score() == 5


async def test_an_active_ruleset_decays_and_an_inactive_one_does_not(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    second = await make.ruleset("Second")
    await make.rule("signup", 70, ruleset_id=second["id"])
    await silent_lead(make, drain, 10 * DAY)
    await make.decay(30, "days", 20)
    (primary,) = [each for each in (await client.get("/rulesets")).json() if each["is_primary"]]
    for ruleset in (primary, second):
        await client.put(f"/rulesets/{ruleset['id']}", json={"active": False})
    await drain_jobs()
    assert await due_at(database) is None

    await client.put(f"/rulesets/{second['id']}", json={"active": True})
    await drain_jobs()

    active = await database.fetchval("SELECT occurred_at FROM events")
    assert await due_at(database) == active + 30 * DAY


async def test_disallowing_negative_scores_lifts_them_and_allowing_them_changes_nothing(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await client.put("/settings/scoring", json={"allow_negative_scores": True})
    await make.rule("unsubscribe", -30)
    await make.rule("signup", 50)
    await make.events({"event_type": "unsubscribe"}, {"event_type": "unsubscribe", "lead_id": "lead-2"})
    await make.event("signup", "lead-3")
    await drain()
    assert [await make.score(f"lead-{n}") for n in (1, 2, 3)] == [-30, -30, 50]

    await client.put("/settings/scoring", json={"allow_negative_scores": False})
    await drain_jobs()

    assert [await make.score(f"lead-{n}") for n in (1, 2, 3)] == [0, 0, 50]
    lifted = await database.fetch("SELECT occurred_at, applied FROM score_entries WHERE kind = 'lift'")
    assert [(line["occurred_at"], line["applied"]) for line in lifted] == [
        (await made_at(database, client.unit_id), 30)
    ] * 2
    assert await differences(database) == []

    await client.put("/settings/scoring", json={"allow_negative_scores": True})
    await drain_jobs()
    assert [await make.score(f"lead-{n}") for n in (1, 2, 3)] == [0, 0, 50]


async def test_a_change_reaches_all_leads_in_several_transactions(
    make: Make, drain: Drain, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadvibe.pipeline.tasks.LEADS_PER_TRANSACTION", 3)
    await make.rule("signup", 50)
    await make.events(*({"event_type": "signup", "lead_id": f"l{n}", "timestamp": ago(90 * DAY)} for n in range(8)))
    await drain()

    await make.decay(30, "days", 20)
    await drain_jobs()

    assert [row["score"] for row in await database.fetch("SELECT score FROM lead_scores")] == [30] * 8


async def test_a_change_without_effect_on_decay_writes_no_leads(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await silent_lead(make, drain)
    await drain_jobs()
    before = await database.fetchval("SELECT ledger_at FROM leads")

    await make.rule("login", 5)
    await make.ruleset("Second")
    await client.put("/settings/scoring", json={"session_timeout_minutes": 5})
    assert await database.fetchval("SELECT count(*) FROM pgqueuer") == 0
    await client.put("/settings/scoring", json={"allow_negative_scores": True})
    assert await database.fetchval("SELECT count(*) FROM pgqueuer") == 2  # one for each OU of the organization
    await drain_jobs()

    assert await database.fetchval("SELECT ledger_at FROM leads") == before


async def test_several_changes_share_one_job(make: Make, drain: Drain, database: TestDatabase) -> None:
    await silent_lead(make, drain)
    await make.decay(30, "days", 20)
    await make.decay(60, "days", 15)
    assert await database.fetchval("SELECT count(*) FROM pgqueuer") == 1
    await drain_jobs()
    assert await make.score() == 15


async def test_a_decay_rule_of_another_ou_has_no_effect(
    neighbour: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await silent_lead(make, drain)
    await make.by(neighbour).decay(30, "days", 20)
    await drain_jobs()
    assert await make.score() == 50
    assert await due_at(database) is None


async def test_a_ruleset_that_starts_at_the_end_of_the_calendar_never_decays(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await silent_lead(make, drain)
    ruleset = (await client.get("/rulesets")).json()[0]
    await client.put(f"/rulesets/{ruleset['id']}", json={"start_at": "9999-12-31T23:59:59Z"})
    await make.decay(1, "days", 5)
    await drain_jobs()
    await make.event("page_view")
    await drain()

    assert await due_at(database) is None
    assert await database.fetchval("SELECT count(*) FROM failed_events") == 0
