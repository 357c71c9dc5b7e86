"""A lead's score explained: what moved it, in parts that add up to exactly how far it moved."""

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

PARTS = ("drivers_total", "surge_total", "decay_applied", "adjustments", "floor_adjustment")
NOON = "2026-01-10T12:00:00Z"


async def explained(client: Caller, lead_id: str = "lead-1", **query: Any) -> dict[str, Any]:
    answer = await client.get(f"/lead/{lead_id}/score-explain", params=query)
    return answer.raise_for_status().json()


def parts(explanation: dict[str, Any]) -> dict[str, int]:
    """Those that aren't zero."""
    return {name: explanation[name] for name in PARTS if explanation[name]}


def ago(**length: float) -> str:
    return (datetime.now(UTC) - timedelta(**length)).isoformat()


async def without_surge(client: Caller) -> None:
    (await client.put("/settings/ou/surge-policy", json={"mode": "off"})).raise_for_status()


async def with_past(database: TestDatabase) -> None:
    """Let the configuration have been there for a year, so that silence counts from then."""
    await database.execute("UPDATE config_versions SET created_at = created_at - interval '1 year'")


async def test_a_score_is_explained_by_the_rules_that_paid(client: Caller, make: Make, drain: Drain) -> None:
    viewed = await make.rule("page_view", 5)
    demo = await make.rule("demo", 20)
    await make.events({"timestamp": NOON}, {"timestamp": NOON}, {"event_type": "demo", "timestamp": NOON})
    await drain()

    explanation = await explained(client, all=True)

    (ruleset,) = (await client.get("/rulesets")).json()
    assert explanation == {
        "lead_id": "lead-1",
        "ruleset_id": ruleset["ruleset_id"],
        "ruleset_name": "Engagement",
        "score": 30,
        "score_change": 30,
        "since": None,
        "range_hours": None,
        "top_drivers": [
            {"rule_id": demo["rule_id"], "event_type": "demo", "weight": 20, "count": 1, "total": 20},
            {"rule_id": viewed["rule_id"], "event_type": "page_view", "weight": 5, "count": 2, "total": 10},
        ],
        "drivers_total": 30,
        "snapshot": [
            {"rule_id": demo["rule_id"], "event_type": "demo", "weight": 20},
            {"rule_id": viewed["rule_id"], "event_type": "page_view", "weight": 5},
        ],
        "surge_boost": [],
        "surge_total": 0,
        "surge_event_count": 0,
        "decay_applied": 0,
        "adjustments": 0,
        "floor_adjustment": 0,
        "inorganic_count": 0,
        "score_reset_at": None,
        "reset_excluded_count": 0,
    }


async def test_by_default_the_last_day_is_explained(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.events({"timestamp": ago(days=3)}, {"timestamp": ago(hours=30)}, {"timestamp": ago(hours=1)})
    await drain()

    day = await explained(client)
    assert (day["range_hours"], day["score"], day["score_change"], parts(day)) == (24, 15, 5, {"drivers_total": 5})
    assert (await explained(client, hours=48))["score_change"] == 10
    assert (await explained(client, all=True))["score_change"] == 15


async def test_a_rule_is_listed_with_each_of_its_weights_even_after_its_deletion(
    client: Caller, make: Make, drain: Drain
) -> None:
    filters = [{"field": "path", "operator": "contains", "value": "/pricing"}]
    rule = await make.rule("page_view", 5, attribute_filters=filters)
    await make.event(metadata={"path": "/pricing"}, timestamp=NOON)
    await drain()
    await client.put(f"/rules/{rule['rule_id']}", json={"weight": 8})
    await make.event(metadata={"path": "/pricing/teams"}, timestamp=NOON)
    await drain()
    await client.delete(f"/rules/{rule['rule_id']}")

    explanation = await explained(client, all=True)

    assert [(driver["weight"], driver["count"], driver["filter_label"]) for driver in explanation["top_drivers"]] == [
        (8, 1, "path contains /pricing"),
        (5, 1, "path contains /pricing"),
    ]
    assert explanation["snapshot"] == []
    assert explanation["score"] == explanation["drivers_total"] == 13


async def test_surge_points_are_separate_from_the_rules(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 10)
    await make.events(*({"timestamp": f"2026-01-10T12:00:{second:02}Z"} for second in range(6)))
    await drain()

    explanation = await explained(client, all=True)

    assert parts(explanation) == {"drivers_total": 60, "surge_total": 6}
    assert explanation["surge_boost"] == [{"event_type": "page_view", "count": 2, "boost": 6}]
    assert explanation["surge_event_count"] == 2
    assert explanation["score"] == 66


async def test_decay_and_adjustments_count_as_far_as_they_took_effect(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rule("page_view", 12)
    await make.decay(inactive_for=1, unit="days", decrease=5)
    await with_past(database)
    await make.event(timestamp=NOON)
    await drain()
    assert parts(await explained(client, all=True)) == {"drivers_total": 12, "decay_applied": -12}

    await client.post("/leads/lead-1/adjust-score", json={"points": 7})
    await client.post("/leads/lead-1/adjust-score", json={"points": -9})

    explanation = await explained(client, all=True)
    assert parts(explanation) == {"drivers_total": 12, "decay_applied": -12}
    assert explanation["score"] == 0


async def test_points_that_the_floor_gave_back_are_shown(client: Caller, make: Make, drain: Drain) -> None:
    await make.rules({"Engagement": {"page_view": 5, "unsubscribe": -8}})
    await make.events({"timestamp": NOON}, {"event_type": "unsubscribe", "timestamp": "2026-01-10T12:01:00Z"})
    await drain()

    explanation = await explained(client, all=True)

    assert parts(explanation) == {"drivers_total": -3, "floor_adjustment": 3}
    assert [driver["total"] for driver in explanation["top_drivers"]] == [-8, 5]
    assert explanation["score"] == 0


async def test_negative_totals_that_were_set_to_zero_are_shown(client: Caller, make: Make, drain: Drain) -> None:
    await make.rules({"Engagement": {"page_view": 5, "unsubscribe": -8}})
    await client.put("/settings/scoring", json={"allow_negative_scores": True})
    await make.event("unsubscribe")
    await drain()
    assert parts(await explained(client)) == {"drivers_total": -8}
    await client.put("/settings/scoring", json={"allow_negative_scores": False})
    await make.event()
    await drain()

    explanation = await explained(client)

    assert parts(explanation) == {"drivers_total": -3, "floor_adjustment": 8}
    assert explanation["score"] == explanation["score_change"] == 5


async def test_suppressed_events_are_counted(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.filter("page_view")
    await make.events(*({"timestamp": f"2026-01-10T12:00:{second:02}Z"} for second in range(5)))
    await drain()

    explanation = await explained(client, all=True)

    assert (explanation["inorganic_count"], explanation["score"]) == (2, 15)
    assert (await explained(client))["inorganic_count"] == 0


async def test_after_a_reset_only_later_events_are_explained(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.events({}, {})
    await drain()
    await client.post("/leads/lead-1/reset-scores")
    await make.events({"timestamp": NOON}, {})
    await drain()

    for explanation in (await explained(client, all=True), await explained(client, hours=1000)):
        assert parts(explanation) == {"drivers_total": 5}
        assert (explanation["score"], explanation["score_change"]) == (5, 5)
        assert explanation["reset_excluded_count"] == 3
        assert explanation["score_reset_at"] == explanation["since"] is not None


async def test_each_ruleset_is_explained_by_itself(client: Caller, make: Make, drain: Drain) -> None:
    await make.rules({"Engagement": {"page_view": 5}, "Other": {"page_view": 7}})
    await make.event(timestamp=NOON)
    await drain()
    other = next(ruleset for ruleset in (await client.get("/rulesets")).json() if ruleset["name"] == "Other")

    explanation = await explained(client, all=True, ruleset_id=other["ruleset_id"])

    assert (explanation["ruleset_name"], explanation["score"], parts(explanation)) == ("Other", 7, {"drivers_total": 7})
    assert (await explained(client, all=True))["score"] == 5


async def test_a_lead_without_events_has_nothing_to_explain(client: Caller, make: Make) -> None:
    await make.lead()
    explanation = await explained(client)
    assert (explanation["score"], parts(explanation), explanation["top_drivers"]) == (0, {}, [])


async def test_unknown_leads_and_invalid_queries_are_refused(client: Caller, make: Make, stranger: Caller) -> None:
    await make.lead()
    for path in ("/lead/unknown/score-explain", "/lead/lead-1/score-explain?ruleset_id=rs_none"):
        assert (await client.get(path)).status_code == 404
    assert (await stranger.get("/lead/lead-1/score-explain")).status_code == 404
    for field, value in (("hours", 0), ("hours", "many"), ("all", "perhaps")):
        answer = await client.get("/lead/lead-1/score-explain", params={field: value})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == field


LEADS = ("ann", "bob", "eve")
WEIGHTS = {"Engagement": {"view": 3, "demo": 17, "refund": -60}, "Other": {"view": 1, "demo": -9, "refund": 2}}


class Story:
    """Leads to whom everything happens that can happen to a score, in no order."""

    def __init__(self, client: Caller, make: Make, drain: Drain, seed: int) -> None:
        self.client, self.make, self.drain, self.random = client, make, drain, Random(seed)
        self.negative = False
        self.believed: list[tuple[str, dict[str, Any]]] = []

    async def apply_facts(self, turns: int) -> None:
        often = [self.events, self.events, self.adjust, self.reweigh, self.negatives, self.look]
        acts = [*often, *often, self.reset]
        for _ in range(turns):
            await self.random.choice(acts)()

    async def events(self) -> None:
        """Some in a burst, some a year late."""
        start = datetime.now(UTC) - timedelta(days=self.random.choice([0, 1, 3, 40, 400]))
        await self.make.events(
            *(
                {
                    "lead_id": self.random.choice(LEADS),
                    "event_type": self.random.choice(["view", "view", "view", "demo", "refund", "other"]),
                    "timestamp": (start - timedelta(seconds=self.random.choice([1, 20, 5000]))).isoformat(),
                    "metadata": {"path": self.random.choice(["/", "/pricing"])},
                }
                for _ in range(12)
            )
        )
        await self.drain()

    async def reset(self) -> None:
        await self._post(f"/leads/{self.random.choice(LEADS)}/reset-scores", {})

    async def adjust(self) -> None:
        ruleset = self.random.choice((await self.client.get("/rulesets")).json())
        body = {"points": self.random.randint(-30, 30), "ruleset_id": ruleset["ruleset_id"]}
        await self._post(f"/leads/{self.random.choice(LEADS)}/adjust-score", body)

    async def reweigh(self) -> None:
        """Change a rule, and now and then delete it."""
        rules = (await self.client.get("/rules")).json()
        if not rules:
            return
        address = f"/rules/{self.random.choice(rules)['rule_id']}"
        if self.random.random() < 0.2:
            (await self.client.delete(address)).raise_for_status()
        else:
            (await self.client.put(address, json={"weight": self.random.randint(-9, 20)})).raise_for_status()

    async def negatives(self) -> None:
        """Allow them and make some, or lift them."""
        self.negative = not self.negative
        (await self.client.put("/settings/scoring", json={"allow_negative_scores": self.negative})).raise_for_status()
        if self.negative:
            await self.make.events(*({"lead_id": lead_id, "event_type": "refund"} for lead_id in LEADS))
            await self.drain()

    async def look(self) -> None:
        """Read a score, to be compared with what is said later of what was known then."""
        read = await self.client.get(f"/leads/{self.random.choice(LEADS)}/score", params={"at": ago(seconds=0)})
        if read.status_code != 404:
            self.believed.append((read.json()["lead_id"], read.json()))

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = await self.client.post(path, json=body)
        assert answer.status_code in {200, 404}, answer.text


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_parts_always_add_up_and_past_scores_never_change(
    client: Caller, make: Make, drain: Drain, database: TestDatabase, seed: int
) -> None:
    await make.rules(WEIGHTS)
    await make.rule("view", 2, attribute_filters=[{"field": "path", "operator": "equals", "value": "/pricing"}])
    await make.decay(inactive_for=5, unit="hours", decrease=3)
    await make.filter("view", count_threshold=6, time_window_ms=3_600_000)
    await with_past(database)
    story = Story(client, make, drain, seed)
    await story.apply_facts(30)

    rulesets = [ruleset["ruleset_id"] for ruleset in (await client.get("/rulesets")).json()]
    for lead_id in LEADS:
        for ruleset_id in rulesets:
            await check_sums(client, lead_id, ruleset_id)
            await check_history(client, lead_id, ruleset_id)
    assert story.believed
    for lead_id, read in story.believed:
        then = await client.get(f"/leads/{lead_id}/score", params={"at": read["at"], "known_at": read["known_at"]})
        assert then.json() == read


async def check_sums(client: Caller, lead_id: str, ruleset_id: str) -> None:
    whole = await explained(client, lead_id, ruleset_id=ruleset_id, all=True)
    score = (await client.get(f"/score/{lead_id}", params={"ruleset_id": ruleset_id})).json()["score"]
    assert whole["score"] == whole["score_change"] == score
    for explanation in (
        whole,
        *[await explained(client, lead_id, ruleset_id=ruleset_id, hours=hours) for hours in (1, 24, 100)],
    ):
        assert sum(explanation[name] for name in PARTS) == explanation["score_change"]
        assert sum(driver["total"] for driver in explanation["top_drivers"]) == explanation["drivers_total"]
        assert sum(boost["boost"] for boost in explanation["surge_boost"]) == explanation["surge_total"]


async def check_history(client: Caller, lead_id: str, ruleset_id: str) -> None:
    """Some of the hours, each against the score at that instant."""
    query = {"days": 5, "ruleset_id": ruleset_id}
    history = (await client.get(f"/lead/{lead_id}/score-history", params=query)).json()
    assert history["count"] > 100
    for snapshot in history["snapshots"][::29]:
        then = {"at": snapshot["snapshot_at"], "ruleset_id": ruleset_id}
        assert (await client.get(f"/score/{lead_id}", params=then)).json()["score"] == snapshot["score"]


async def test_after_a_rescore_with_equal_points_the_filter_label_is_the_current_one(
    client: Caller, make: Make, drain: Drain
) -> None:
    rule = await make.rule("page_view", 5)
    await make.event(metadata={"path": "/pricing"})
    await drain()
    filters = [{"field": "path", "operator": "contains", "value": "pricing"}]
    for demanded, label in ((filters, "path contains pricing"), ([], None)):
        (await client.put(f"/rules/{rule['id']}", json={"attribute_filters": demanded})).raise_for_status()
        await client.post("/admin/rescore")
        await drain_jobs()
        (driver,) = (await explained(client, all=True))["top_drivers"]
        assert driver.get("filter_label") == label


async def test_events_that_changed_nothing_are_not_excluded_by_a_reset(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.rules({"Engagement": {"page_view": 5, "leave": -50}, "Other": {"signup": 3, "page_view": 1}})
    await make.filter("page_view")
    await make.event("leave", timestamp="2026-01-10T11:00:00Z")  # the total is zero, so it takes nothing
    await make.events(*({"timestamp": f"2026-01-10T12:00:{second:02}Z"} for second in range(5)))  # two are suppressed
    await make.events({"event_type": "note"}, {"event_type": "signup"})
    await drain()
    other = next(each for each in (await client.get("/rulesets")).json() if each["name"] == "Other")
    assert (await explained(client, all=True))["reset_excluded_count"] == 0
    await client.post("/leads/lead-1/reset-scores")
    await make.event("note")
    await drain()
    assert (await explained(client, all=True))["reset_excluded_count"] == 3
    assert (await explained(client, all=True, ruleset_id=other["ruleset_id"]))["reset_excluded_count"] == 4
