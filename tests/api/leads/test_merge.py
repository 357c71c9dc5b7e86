"""Merging leads."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from leadvibe.core.jobs.queue import drain_jobs
from leadvibe.pipeline.consumer import consume_batch
from support import ledger
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

MAIL = [{"alias_kind": "email", "raw_value": "ada@example.com"}]


async def merge(client: httpx.AsyncClient, target: str, *sources: str, **more: Any) -> dict[str, Any]:
    response = await client.post("/leads/merge", json={"targetLeadId": target, "sourceLeadIds": list(sources), **more})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
async def three_and_two(make: Make, drain: Drain) -> None:
    """`t` has three events of 10 points, `s` has two and an e-mail address."""
    await make.rule("visit", 10)
    for hour in range(3):
        await make.event("visit", "t", timestamp=f"2025-03-01T0{hour}:00:00Z")
    for hour in range(2):
        await make.event("visit", "s", timestamp=f"2025-03-01T1{hour}:00:00Z", aliases=MAIL)
    await drain()


async def test_the_target_gets_what_its_sources_have(
    client: Caller, make: Make, three_and_two: None, database: TestDatabase
) -> None:
    done = await merge(client, "t", "s")

    ruleset = done["target"]["ruleset_id"]
    assert done["target"]["lead_id"] == "t"
    assert done["target"]["score"] == await make.score("t") == 50
    assert (done["mergedSources"], done["movedEvents"], done["truncatedEvents"]) == (["s"], 2, 0)
    assert done["rescore"] == {"previous_scores": {ruleset: 30}, "scores": {ruleset: 50}}
    source = await database.fetchrow("SELECT merged_into, score, last_event_at FROM leads WHERE lead_id = 's'")
    assert source is not None
    assert tuple(source.values()) == ("t", 0, None)
    assert done["target"]["last_event_at"] == "2025-03-01T11:00:00Z"
    assert await ledger.differences(database) == []


async def test_moved_events_and_aliases_name_their_original_lead(client: Caller, three_and_two: None) -> None:
    await merge(client, "t", "s")

    events = (await client.get("/events", params={"lead_id": "t"})).json()
    assert [event["original_lead_id"] for event in events] == ["s", "s", None, None, None]
    assert [alias["value"] for alias in (await client.get("/lead/t/aliases")).json()] == ["ada@example.com"]


async def test_the_timeline_shows_the_merge(client: Caller, three_and_two: None, database: TestDatabase) -> None:
    await merge(client, "t", "s")

    noted = await database.fetch("SELECT lead_id, data::text FROM timeline_entries WHERE kind = 'lead_merged'")
    assert [entry["lead_id"] for entry in noted] == ["t"]
    assert f'"merged_by": "{client.member_id}"' in noted[0]["data"]
    assert '"source_lead_ids": ["s"]' in noted[0]["data"]
    assert '"moved_events": 2' in noted[0]["data"]


async def test_events_from_before_a_sources_reset_do_not_count(client: Caller, make: Make, three_and_two: None) -> None:
    await client.post("/lead/s/reset-scores")
    await merge(client, "t", "s")
    assert await make.score("t") == 30


async def test_a_reset_of_the_target_does_not_reset_the_sources_events(
    client: Caller, make: Make, three_and_two: None
) -> None:
    await client.post("/lead/t/reset-scores")
    await merge(client, "t", "s")
    assert await make.score("t") == 20


async def test_a_reset_after_the_merge_applies_to_all_events(
    client: Caller, make: Make, drain: Drain, three_and_two: None
) -> None:
    await merge(client, "t", "s")
    await client.post("/lead/t/reset-scores")
    await make.events(*({"event_type": "visit", "lead_id": x, "timestamp": "2025-03-02T00:00:00Z"} for x in "ts"))
    await drain()
    assert await make.score("t") == 0


async def test_adjustments_count_unless_they_were_reset_before(client: Caller, make: Make, three_and_two: None) -> None:
    await client.post("/lead/s/adjust-score", json={"points": 100})
    await client.post("/lead/s/reset-scores")
    await client.post("/lead/s/adjust-score", json={"points": 7})
    await merge(client, "t", "s")
    assert await make.score("t") == 37


async def test_events_for_a_source_or_its_alias_go_to_the_target(
    client: Caller, make: Make, drain: Drain, three_and_two: None
) -> None:
    await merge(client, "t", "s")
    await make.event("visit", "s")
    await make.event("visit", None, aliases=MAIL)
    await drain()

    newest = (await client.get("/events", params={"lead_id": "t"})).json()[:2]
    assert [event["original_lead_id"] for event in newest] == ["s", "s"]
    assert await make.score("t") == 70


async def test_a_late_event_is_subject_to_the_resets_of_the_lead_it_names(
    client: Caller, make: Make, drain: Drain, three_and_two: None, database: TestDatabase
) -> None:
    await client.post("/lead/s/reset-scores")
    await merge(client, "t", "s")
    late = {"event_type": "visit", "timestamp": "2025-02-01T00:00:00Z"}
    await make.events({**late, "lead_id": "s"}, {**late, "lead_id": "t"}, {**late, "lead_id": None, "aliases": MAIL})
    await drain()
    assert await make.score("t") == 40
    assert await ledger.differences(database) == []


async def test_an_alias_attached_to_a_source_after_the_merge_has_the_source_as_its_origin(
    client: Caller, make: Make, drain: Drain, three_and_two: None
) -> None:
    await client.post("/lead/s/reset-scores")
    await merge(client, "t", "s")
    work = [{"alias_kind": "email", "raw_value": "ada@work.example"}]
    await make.event("visit", "s", aliases=work)
    await drain()
    await make.event("visit", None, aliases=work, timestamp="2025-02-01T00:00:00Z")
    await drain()
    assert await make.score("t") == 40


async def test_chains_of_merges_are_flattened(client: Caller, make: Make, drain: Drain, three_and_two: None) -> None:
    await make.lead("u")
    await merge(client, "t", "s")
    done = await merge(client, "u", "t")
    await make.event("visit", "s")
    await drain()

    assert done["movedEvents"] == 5
    assert (await client.get("/lead/s")).json()["lead_id"] == "u"
    origins = [event["original_lead_id"] for event in (await client.get("/events", params={"lead_id": "u"})).json()]
    assert origins == ["s", "s", "s", "t", "t", "t"]
    assert await make.score("u") == 60


async def test_the_targets_metadata_account_and_owner_win_and_sources_fill_in_missing_values(
    client: Caller, make: Make
) -> None:
    first = await make.lead("s", metadata={"a": "s", "b": "s"}, account_id="acme", owner_id=client.member_id)
    await make.lead("r", metadata={"b": "r", "c": "r"}, account_id="other")
    await make.lead("t", metadata={"a": "t"})

    target = (await merge(client, "t", "s", "r"))["target"]

    assert target["metadata"] == {"a": "t", "b": "s", "c": "r"}
    assert (target["account_id"], target["owner_id"]) == ("acme", client.member_id)
    assert target["created_at"] == first["created_at"]


async def test_the_request_can_choose_the_account(client: Caller, make: Make) -> None:
    await make.lead("t", account_id="acme")
    await make.lead("s", account_id="other")
    refused = await client.post(
        "/leads/merge", json={"targetLeadId": "t", "sourceLeadIds": ["s"], "accountId": "a third"}
    )
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "accountId")
    assert (await merge(client, "t", "s", accountId="other"))["target"]["account_id"] == "other"


async def test_a_truncated_merge_leaves_older_events_with_the_source(
    client: Caller, make: Make, drain: Drain, three_and_two: None, database: TestDatabase
) -> None:
    done = await merge(client, "t", "s", truncate={"policy": "before", "before": "2025-03-01T11:00:00Z"})
    assert (done["movedEvents"], done["truncatedEvents"], done["target"]["score"]) == (1, 1, 40)
    assert len(await database.fetch("SELECT FROM events WHERE lead_id = 's'")) == 1
    await make.event("visit", "s", timestamp="2025-03-01T09:00:00Z")
    await drain()
    assert await make.score("t") == 40


async def test_a_preview_counts_and_changes_nothing(
    client: Caller, viewer: Caller, make: Make, drain: Drain, three_and_two: None
) -> None:
    await make.event("visit", "t", timestamp="2025-03-01T05:00:00Z", aliases=MAIL)
    await drain()
    body = {"targetLeadId": "t", "sourceLeadIds": ["s"]}
    response = await viewer.post("/leads/merge/preview", json=body)
    assert response.json() == {
        "target_lead_id": "t",
        "source_lead_ids": ["s"],
        "target_events": 4,
        "total_events": 2,
        "total_aliases": 1,
        "total_sessions": 2,
        "duplicate_aliases": 1,
        "target_score": 40,
        "source_scores": {"s": 20},
        "account_conflict": False,
        "accounts": [],
    }
    assert (await client.get("/lead/s")).json()["lead_id"] == "s"


@pytest.mark.parametrize("path", ["/leads/merge", "/leads/merge/preview"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"sourceLeadIds": ["s"]}, "targetLeadId"),
        ({"targetLeadId": "t", "sourceLeadIds": []}, "sourceLeadIds"),
        ({"targetLeadId": "t", "sourceLeadIds": ["s", "t"]}, "sourceLeadIds"),
        ({"targetLeadId": "t", "sourceLeadIds": ["s"], "truncate": {"policy": "before"}}, "truncate.before"),
    ],
)
async def test_an_invalid_merge_is_refused(client: Caller, path: str, body: Any, field: str) -> None:
    response = await client.post(path, json=body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, field)


async def test_leads_must_exist_and_must_not_be_merged(client: Caller, make: Make, stranger: Caller) -> None:
    for lead_id in "tsu":
        await make.lead(lead_id)
    await Make(stranger).lead("theirs")
    await merge(client, "t", "s")
    for path in ("/leads/merge", "/leads/merge/preview"):
        for target, source, status in [
            ("t", "x", 404),
            ("x", "t", 404),
            ("u", "theirs", 404),
            ("u", "s", 409),
            ("s", "u", 409),
        ]:
            response = await client.post(path, json={"targetLeadId": target, "sourceLeadIds": [source]})
            assert (target, source, response.status_code) == (target, source, status)


async def test_merges_during_processing_lose_no_event_and_count_none_twice(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rule("visit", 10)
    names = [f"lead-{number}" for number in range(6)]
    for name in names:
        await make.lead(name)
        await make.event("visit", name, aliases=[{"alias_kind": "email", "raw_value": f"{name}@example.com"}])
    await drain()
    for _ in range(10):
        by_id = [{"lead_id": name} for name in names]
        addresses = [[{"alias_kind": "email", "raw_value": f"{name}@example.com"}] for name in names]
        by_alias = [{"lead_id": None, "aliases": aliases} for aliases in addresses]
        await make.events(*({"event_type": "visit", **event} for event in [*by_id, *by_alias]))

    async def work() -> None:
        while await consume_batch(10):
            pass

    async def merge_all() -> None:
        for source in names[1:]:
            await merge(client, names[0], source)

    await asyncio.gather(work(), work(), merge_all())
    await drain()
    assert await database.fetchval("SELECT count(*) FROM events WHERE lead_id = 'lead-0'") == 126
    assert await ledger.differences(database) == []
    job = (await client.post("/admin/rescore")).json()
    await drain_jobs()
    result = (await client.get(f"/jobs/{job['job_id']}")).json()["result"]
    assert result == {"leads": 1, "moved": 0}, "the ledger differed from a replay"


async def test_a_viewer_cannot_merge(viewer: Caller) -> None:
    response = await viewer.post("/leads/merge", json={"targetLeadId": "t", "sourceLeadIds": ["s"]})
    assert response.status_code == 403


async def test_a_preview_refuses_the_same_requests_as_the_merge(client: Caller, make: Make) -> None:
    await make.lead("t")
    await make.lead("s")
    body = {"targetLeadId": "t", "sourceLeadIds": ["s"], "accountId": "zz"}
    for path in ("/leads/merge/preview", "/leads/merge"):
        refused = await client.post(path, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "accountId")


async def test_sources_fill_in_empty_metadata(client: Caller, make: Make) -> None:
    await make.lead("t", metadata={"phone": None, "city": "", "visits": 0, "vip": False, "name": "Ada"})
    await make.lead("s1", metadata={"phone": "", "city": "Rome", "visits": 5, "vip": True, "name": "Eve"})
    await make.lead("s2", metadata={"phone": "+49 1", "city": "Bern", "plan": None})
    await merge(client, "t", "s1", "s2")
    merged = {"phone": "+49 1", "city": "Rome", "visits": 0, "vip": False, "name": "Ada", "plan": None}
    assert (await client.get("/leads/t/profile")).json() == merged


async def test_metadata_over_the_limit_after_a_merge_can_be_changed_and_shrink(client: Caller, make: Make) -> None:
    await make.lead("t", metadata={"a": "x" * 90_000})
    await make.lead("s", metadata={"b": "x" * 90_000, "plan": "free"})
    await merge(client, "t", "s")
    for changes, status in (
        ({"plan": "paid"}, 200),  # as long as before
        ({"plan": None}, 200),
        ({"plan": "free"}, 413),  # longer
        ({"b": None}, 200),
        ({"plan": "free"}, 200),  # below the limit again
    ):
        assert (await client.patch("/leads/t/metadata", json=changes)).status_code == status
