"""What if: a draft of the configuration over the OU's own history."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from leadvibe.core.jobs.queue import drain_jobs
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

DAY = timedelta(days=1)
NOW = datetime.now(UTC)


def ago(past: timedelta) -> str:
    return (NOW - past).isoformat().replace("+00:00", "Z")


async def simulate(client: Caller, **body: Any) -> dict[str, Any]:
    response = await client.post("/rulesets/simulate", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def held(buckets: list[dict[str, Any]]) -> dict[tuple[int | None, int | None], int]:
    """The buckets that hold leads."""
    return {(bucket["min"], bucket["max"]): bucket["leads"] for bucket in buckets if bucket["leads"]}


async def a_busy_unit(client: Caller, make: Make, drain: Drain, *, leads: int = 12) -> None:
    """Leads with everything in their past: surges, limits, filters, negative rules, a reset, an adjustment."""
    await make.rule("page_view", 5, max_per_lead=8)
    await make.rule("signup", 40, attribute_filters=[{"field": "plan", "operator": "equals", "value": "pro"}])
    await make.rule("unsubscribe", -30)
    await make.filter("page_view", count_threshold=3, time_window_ms=3_600_000)
    await make.decay(10, "days", 3)
    chance = Random(7)
    for _ in range(2):
        await make.events(
            *(
                {
                    "event_type": chance.choice(["page_view", "page_view", "signup", "unsubscribe", "other"]),
                    "lead_id": f"lead-{chance.randrange(leads)}",
                    "timestamp": ago(timedelta(minutes=chance.randrange(60 * 24 * 60))),
                    "metadata": {"plan": chance.choice(["pro", "free"])},
                }
                for _ in range(leads * 12)
            )
        )
        await drain()
        await client.post("/leads/lead-1/adjust-score", json={"points": 17})
        await client.post("/leads/lead-2/reset-scores")


async def test_without_a_draft_the_simulation_equals_the_live_scores(client: Caller, make: Make, drain: Drain) -> None:
    await a_busy_unit(client, make, drain)
    found = await simulate(client, days=365)
    assert (found["leads"], found["unchanged"], found["up"], found["down"]) == (12, 12, 0, 0)
    assert found["events"] == 2 * 12 * 12
    assert found["distribution"]["before"] == found["distribution"]["after"]
    assert (found["movers"], found["levels"], found["milestones"]) == ([], [], [])


async def test_a_draft_gives_the_scores_of_a_rescore(
    client: Caller, make: Make, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadvibe.simulation.service.SLICE_LEADS", 5)
    await a_busy_unit(client, make, drain)
    rules = [{**rule, "weight": rule["weight"] * 3} for rule in (await client.get("/rules")).json()]
    before = {f"lead-{n}": await make.score(f"lead-{n}") for n in range(12)}

    found = await simulate(client, days=365, rules=rules, surge_policy={"mode": "gentle"})
    assert before == {f"lead-{n}": await make.score(f"lead-{n}") for n in range(12)}

    for rule in rules:
        await client.put(f"/rules/{rule['id']}", json={"weight": rule["weight"]})
    await client.put("/settings/ou/surge-policy", json={"mode": "gentle"})
    await client.post("/admin/rescore")
    await drain_jobs()
    after = {f"lead-{n}": await make.score(f"lead-{n}") for n in range(12)}
    moved = {lead: (before[lead], after[lead]) for lead in before if before[lead] != after[lead]}
    assert len(moved) > 5
    assert {mover["lead_id"]: (mover["before"], mover["after"]) for mover in found["movers"]} == moved
    assert found["up"] + found["down"] == len(moved)
    distances = [abs(mover["after"] - mover["before"]) for mover in found["movers"]]
    assert distances == sorted(distances, reverse=True)
    for mover in found["movers"]:
        assert sum(reason["change"] for reason in mover["reasons"]) == mover["after"] - mover["before"]


async def test_a_draft_rule_may_need_metadata_that_no_live_rule_needs(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("visit", 5)
    await make.events({"event_type": "visit", "metadata": {"plan": "pro"}}, {"event_type": "visit"})
    await drain()
    of_pros = [{"field": "plan", "operator": "equals", "value": "pro"}]
    found = await simulate(client, rules=[{"event_type": "visit", "weight": 50, "attribute_filters": of_pros}])
    assert [(mover["before"], mover["after"]) for mover in found["movers"]] == [(10, 50)]


async def test_the_reasons_name_the_rules_that_changed_a_score(client: Caller, make: Make, drain: Drain) -> None:
    kept, dropped = await make.rule("page_view", 5), await make.rule("login", 2)
    await make.events({}, {}, {"event_type": "login"}, {"event_type": "signup"})
    await drain()

    rules = [{**kept, "weight": 7}, {"event_type": "signup", "weight": 20}]
    found = await simulate(client, days=1, rules=rules)

    def reason(rule: str, event_type: str, before: int, after: int) -> dict[str, Any]:
        why = {"kind": "rule", "rule_id": rule, "event_type": event_type, "before": before, "after": after}
        return {**why, "change": after - before}

    assert found["movers"] == [
        {
            "lead_id": "lead-1",
            "before": 12,
            "after": 34,
            "reasons": [
                reason("draft_2", "signup", 0, 20),
                reason(kept["id"], "page_view", 10, 14),
                reason(dropped["id"], "login", 2, 0),
            ],
        }
    ]
    assert (found["up"], found["down"], found["unchanged"]) == (1, 0, 0)
    assert held(found["distribution"]["before"]) == {(10, 24): 1}
    assert held(found["distribution"]["after"]) == {(25, 49): 1}
    assert await make.score() == 12


async def test_events_before_the_simulated_days_keep_their_points(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.events({"timestamp": ago(30 * DAY)}, {"timestamp": ago(2 * DAY)})
    await make.event(lead_id="silent", timestamp=ago(30 * DAY))
    await drain()
    found = await simulate(client, days=10, rules=[{"event_type": "page_view", "weight": 100}])
    assert (found["leads"], found["events"], found["unchanged"]) == (2, 1, 1)
    assert [(mover["lead_id"], mover["before"], mover["after"]) for mover in found["movers"]] == [("lead-1", 10, 105)]


async def test_a_draft_decay_applies_from_the_first_simulated_day_to_inactive_leads(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("signup", 50)
    await make.event("signup", "old", timestamp=ago(100 * DAY))
    await make.event("signup", "fresh", timestamp=ago(20 * DAY))
    await drain()
    found = await simulate(client, days=45, decays=[{"inactive_for": 30, "unit": "days", "decrease": 10}])
    # Due when the window begins and 30 days later.
    assert [(mover["lead_id"], mover["after"]) for mover in found["movers"]] == [("old", 30)]
    (reason,) = found["movers"][0]["reasons"]
    assert (reason["kind"], reason["change"]) == ("decay", -20)
    assert found["unchanged"] == 1


async def test_a_decay_left_out_of_the_draft_does_not_apply_in_the_simulated_days(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    decay = await make.decay(30, "days", 10)
    await database.execute("UPDATE config_versions SET created_at = created_at - interval '200 days'")
    await make.rule("signup", 50)
    await make.event("signup", timestamp=ago(100 * DAY))
    await drain()
    assert await make.score() == 20
    unchanged = await simulate(client, days=45, decays=[decay])
    assert unchanged["unchanged"] == 1
    # The steps after 60 and 90 days are in the window.
    (mover,) = (await simulate(client, days=45, decays=[]))["movers"]
    assert (mover["before"], mover["after"]) == (20, 40)


async def test_the_totals_of_the_named_ruleset_are_compared(client: Caller, make: Make, drain: Drain) -> None:
    second = await make.ruleset("Second")
    await make.rule("page_view", 5)
    await make.rule("page_view", 7, ruleset_id=second["id"])
    await make.event()
    await drain()
    draft = [{"event_type": "page_view", "weight": 1000}]
    (mover,) = (await simulate(client, days=1, ruleset_id=second["id"], rules=draft))["movers"]
    assert (mover["before"], mover["after"]) == (7, 1000)
    (mover,) = (await simulate(client, days=1, rules=draft))["movers"]
    assert (mover["before"], mover["after"]) == (5, 1000)
    assert (await client.post("/rulesets/simulate", json={"ruleset_id": "rs_unknown"})).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 3651}, "days"),
        ({"days": "7"}, "days"),
        ({"colour": "red"}, "colour"),
        ({"rules": [{"event_type": "a"}]}, "rules.0.weight"),
        ({"rules": [{"event_type": "a", "weight": 1, "ruleset_id": "rs_other"}]}, "rules.0.ruleset_id"),
        ({"rules": [{"event_type": "a", "weight": 1}] * 2}, "rules.1.event_type"),
        ({"rules": [{"id": "x", "event_type": kind, "weight": 1} for kind in "ab"]}, "rules.1.rule_id"),
        (
            {
                "rules": [
                    {
                        "event_type": "a",
                        "weight": 1,
                        "start_at": "2026-01-02T00:00:00Z",
                        "end_at": "2026-01-01T00:00:00Z",
                    }
                ]
            },
            "rules.0.end_at",
        ),
        (
            {"rules": [{"event_type": "a", "weight": 1, "attribute_filters": [{"field": "x", "operator": "like"}]}]},
            "rules.0.attribute_filters.0.operator",
        ),
        ({"surge_policy": {}}, "surge_policy.mode"),
        ({"surge_policy": {"mode": "custom"}}, "surge_policy.bands"),
        ({"surge_policy": {"mode": "gentle", "multiplier_cap": 9}}, "surge_policy.multiplier_cap"),
        ({"decays": [{"inactive_for": 1, "unit": "days"}]}, "decays.0.decrease"),
        (
            {"decays": [{"decay_id": "dc_1", "inactive_for": 1, "unit": "days", "decrease": 1}] * 2},
            "decays.1.decay_id",
        ),
    ],
)
async def test_an_invalid_draft_names_the_field(client: Caller, body: Any, field: str) -> None:
    response = await client.post("/rulesets/simulate", json=body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_only_leads_of_the_ou_are_simulated(
    client: Caller, neighbour: Caller, stranger: Caller, make: Make, drain: Drain
) -> None:
    await make.rule("page_view", 5)
    await make.event()
    await drain()
    for other in (neighbour, stranger):
        assert (await simulate(other, rules=[{"event_type": "page_view", "weight": 9}]))["leads"] == 0
    assert (await simulate(client))["leads"] == 1


async def test_viewers_may_simulate_and_strangers_may_not(viewer: Caller, basic: Caller, anonymous: Caller) -> None:
    for caller in (viewer, basic):
        assert (await caller.post("/rulesets/simulate", json={})).status_code == 200
    assert (await anonymous.post("/rulesets/simulate", json={})).status_code == 401
