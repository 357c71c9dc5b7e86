"""Versions of the configuration."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from leadvibe.core.database.migrations import config
from leadvibe.core.database.transactions import sqlalchemy_url
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Change = Callable[[], Awaitable[httpx.Response | dict[str, Any]]]


async def snapshots(database: TestDatabase, unit_id: str) -> list[dict[str, Any]]:
    """The configuration of every version of the OU, as JSON.

    Also checks that versions have consecutive numbers and increasing times.
    """
    rows = await database.fetch(
        "SELECT version, created_at FROM config_versions WHERE unit_id = $1 ORDER BY version", unit_id
    )
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    instants = [row["created_at"] for row in rows]
    assert instants == sorted(set(instants))
    current = await database.fetchval("SELECT config_version FROM org_units WHERE unit_id = $1", unit_id)
    assert current == len(rows)
    return [await snapshot(database, unit_id, row["version"]) for row in rows]


async def snapshot(database: TestDatabase, unit_id: str, version: int) -> dict[str, Any]:
    """The configuration of a version: the parts that it or an earlier one has put and that none has superseded."""
    rows = await database.fetch(
        """
        SELECT kind, part_id, part::text FROM config_parts
        WHERE unit_id = $1 AND version <= $2 AND (superseded_in IS NULL OR superseded_in > $2)
        ORDER BY kind, part_id
        """,
        *(unit_id, version),
    )
    parts: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        assert row["part_id"] not in parts[row["kind"]]
        parts[row["kind"]][row["part_id"]] = json.loads(row["part"])
    lists = {kind: list(parts[kind].values()) for kind in ("rulesets", "rules", "decays", "filters")}
    return {**lists, "event_types": parts["event_types"], **parts["settings"]}


async def test_a_new_ou_has_a_first_version(client: Caller, database: TestDatabase) -> None:
    (ruleset,) = (await client.get("/rulesets")).json()
    (first,) = await snapshots(database, client.unit_id)
    assert first["rulesets"] == [
        {"ruleset_id": ruleset["id"], "active": True, "is_primary": True, "start_at": None, "end_at": None}
    ]
    assert first["rules"] == []
    assert first["event_types"] == {}
    assert first["surge_policy"]["mode"] == "standard"
    assert first["allow_negative_scores"] is False
    assert first["session_timeout_minutes"] == 30


async def test_a_snapshot_contains_every_field_of_a_rule(client: Caller, database: TestDatabase, make: Make) -> None:
    attribute_filter = {"field": "plan", "operator": "equals", "value": ["pro", 5]}
    rule = await make.rule(
        "signup",
        -7,
        start_at="2026-01-01T00:00:00.5Z",
        max_per_lead=3,
        attribute_filters=[attribute_filter],
        icon="star",
    )
    assert (await snapshots(database, client.unit_id))[-1]["rules"] == [
        {
            "rule_id": rule["id"],
            "ruleset_id": rule["ruleset_id"],
            "event_type": "signup",
            "weight": -7,
            "active": True,
            "start_at": "2026-01-01T00:00:00.500000Z",
            "end_at": None,
            "attribute_filters": [attribute_filter],
            "max_per_lead": 3,
        }
    ]


async def test_a_snapshot_contains_only_active_decays_and_existing_filters(
    client: Caller, database: TestDatabase, make: Make
) -> None:
    decay = await make.decay(7, "days", 5, name="Weekly")
    velocity = await make.filter("email_open", group_events=True)
    last = (await snapshots(database, client.unit_id))[-1]
    assert last["decays"] == [{"decay_id": decay["id"], "inactive_for": 7, "unit": "days", "decrease": 5}]
    assert last["filters"] == [
        {
            "filter_id": velocity["id"],
            "event_type": "email_open",
            "count_threshold": 3,
            "time_window_ms": 60_000,
            "group_events": True,
        }
    ]
    await client.put(f"/decays/{decay['id']}", json={"active": False})
    await client.delete(f"/filters/{velocity['id']}")
    last = (await snapshots(database, client.unit_id))[-1]
    assert (last["decays"], last["filters"]) == ([], [])


async def test_each_change_creates_one_version(client: Caller, database: TestDatabase, make: Make) -> None:
    ruleset = await make.ruleset()
    rule = await make.rule()
    decay = await make.decay()
    velocity = await make.filter()
    changes: list[Change] = [
        lambda: client.put(f"/rules/{rule['id']}", json={"weight": 8, "active": False}),
        lambda: client.put(
            f"/rules/{rule['id']}", json={"attribute_filters": [{"field": "a", "operator": "is_empty"}]}
        ),
        lambda: client.put(f"/rules/{rule['id']}", json={"ruleset_id": ruleset["id"]}),
        lambda: client.put(f"/rulesets/{ruleset['id']}", json={"end_at": "2030-01-01T00:00:00Z"}),
        lambda: client.put(f"/rulesets/{ruleset['id']}", json={"is_primary": True}),
        lambda: client.delete(f"/rules/{rule['id']}"),
        lambda: client.put("/settings/scoring", json={"session_timeout_minutes": 31}),
        lambda: client.put("/settings/ou/surge-policy", json={"mode": "gentle"}),
        lambda: client.put(f"/decays/{decay['id']}", json={"decrease": 6}),
        lambda: client.put(f"/decays/{decay['id']}", json={"active": False}),
        lambda: client.put(f"/filters/{velocity['id']}", json={"group_events": True}),
        lambda: client.delete(f"/filters/{velocity['id']}"),
    ]
    for change in changes:
        before = await snapshots(database, client.unit_id)
        await change()
        after = await snapshots(database, client.unit_id)
        assert after[:-1] == before
        assert after[-1] != before[-1]


async def test_a_change_that_doesnt_affect_scoring_creates_no_version(
    client: Caller, database: TestDatabase, make: Make
) -> None:
    rule = await make.rule(attribute_filters=[{"field": "a", "operator": "equals", "value": 1.5}])
    before = await snapshots(database, client.unit_id)
    (ruleset,) = (await client.get("/rulesets")).json()
    await client.put(f"/rules/{rule['id']}", json={"icon": "star"})
    await client.put(f"/rules/{rule['id']}", json=rule)
    await client.put(f"/rules/{rule['id']}", json={})
    await client.put(f"/rulesets/{ruleset['id']}", json={"name": "Renamed", "score_column": "points"})
    await client.put("/settings/scoring", json={"session_timeout_minutes": 30, "abm_enabled": True})
    await client.put("/settings/ou/surge-policy", json={"mode": "standard", "multiplier_cap": 2})
    assert await snapshots(database, client.unit_id) == before


async def test_a_refused_change_creates_no_version(client: Caller, database: TestDatabase, make: Make) -> None:
    rule = await make.rule("signup")
    before = await snapshots(database, client.unit_id)
    assert (await client.post("/rules", json={"event_type": "signup", "weight": 1})).status_code == 409
    unknown = {"ruleset_id": "rs_unknown", "event_type": "an unused type"}
    assert (await client.put(f"/rules/{rule['id']}", json=unknown)).status_code == 404
    assert (await client.delete(f"/rulesets/{rule['ruleset_id']}x")).status_code == 404
    assert await snapshots(database, client.unit_id) == before
    assert "an unused type" not in (await client.get("/event-types")).json()


async def test_true_and_1_are_different_values(client: Caller, database: TestDatabase, make: Make) -> None:
    attribute_filter = {"field": "a", "operator": "equals", "value": 1}
    rule = await make.rule(attribute_filters=[attribute_filter])
    before = await snapshots(database, client.unit_id)
    await client.put(f"/rules/{rule['id']}", json={"attribute_filters": [{**attribute_filter, "value": True}]})
    assert len(await snapshots(database, client.unit_id)) == len(before) + 1


async def test_a_toggle_of_the_organization_creates_a_version_in_each_ou(
    client: Caller, neighbour: Caller, stranger: Caller, database: TestDatabase
) -> None:
    assert (await client.put("/settings/scoring", json={"allow_negative_scores": True})).status_code == 204
    for caller, expected in ((client, [False, True]), (neighbour, [False, True]), (stranger, [False])):
        stored = await snapshots(database, caller.unit_id)
        assert [snapshot["allow_negative_scores"] for snapshot in stored] == expected
        assert [len(snapshot["rulesets"]) for snapshot in stored] == [1] * len(expected)


async def test_a_snapshot_contains_only_the_rules_of_its_ou(
    client: Caller, neighbour: Caller, database: TestDatabase, make: Make
) -> None:
    await make.rule("signup")
    await make.by(neighbour).rule("login")
    assert [rule["event_type"] for rule in (await snapshots(database, client.unit_id))[-1]["rules"]] == ["signup"]
    assert [rule["event_type"] for rule in (await snapshots(database, neighbour.unit_id))[-1]["rules"]] == ["login"]


async def test_concurrent_edits_are_all_stored(
    client: Caller, neighbour: Caller, database: TestDatabase, make: Make
) -> None:
    rule = await make.rule("signup", 0)
    before = len(await snapshots(database, client.unit_id))
    answers = await asyncio.gather(
        *(client.post("/rules", json={"event_type": f"type {n}", "weight": n}) for n in range(4)),
        *(client.put(f"/rules/{rule['id']}", json={"weight": n}) for n in range(1, 4)),
        *(neighbour.post("/rules", json={"event_type": f"type {n}", "weight": n}) for n in range(4)),
        client.put("/settings/scoring", json={"allow_negative_scores": True, "session_timeout_minutes": 7}),
        neighbour.put("/settings/scoring", json={"session_timeout_minutes": 8}),
    )
    assert [answer.status_code for answer in answers] == [201] * 4 + [204] * 3 + [201] * 4 + [204] * 2
    stored = await snapshots(database, client.unit_id)
    assert len(stored) == before + 8
    assert len(stored[-1]["rules"]) == 5
    assert stored[-1]["allow_negative_scores"] is True
    assert stored[-1]["session_timeout_minutes"] == 7
    theirs = await snapshots(database, neighbour.unit_id)
    assert len(theirs) == 1 + 4 + 2
    assert (len(theirs[-1]["rules"]), theirs[-1]["allow_negative_scores"]) == (4, True)


async def test_of_concurrent_rules_for_one_event_type_only_one_is_created(client: Caller) -> None:
    body = {"event_type": "signup", "weight": 5}
    answers = await asyncio.gather(*(client.post("/rules", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_concurrent_updates_leave_exactly_one_primary_ruleset(client: Caller, make: Make) -> None:
    rulesets = [await make.ruleset() for _ in range(3)]
    answers = await asyncio.gather(
        *(client.put(f"/rulesets/{ruleset['id']}", json={"is_primary": True}) for ruleset in rulesets)
    )
    assert [answer.status_code for answer in answers] == [204] * 3
    assert [ruleset["is_primary"] for ruleset in (await client.get("/rulesets")).json()].count(True) == 1


async def test_an_ou_created_while_a_toggle_changes_has_the_new_value(client: Caller, database: TestDatabase) -> None:
    for allowed in (True, False):
        made, *_ = await asyncio.gather(
            client.post("/org-units", json={"name": f"Negatives {allowed}"}),
            client.put("/settings/scoring", json={"allow_negative_scores": allowed}),
        )
        assert made.status_code == 201, made.text
        assert (await snapshots(database, made.json()["unit_id"]))[-1]["allow_negative_scores"] is allowed


async def test_the_migration_to_parts_keeps_every_version(client: Caller, database: TestDatabase, make: Make) -> None:
    rule = await make.rule("signup", 1)
    for weight in (2, 1):
        await client.put(f"/rules/{rule['id']}", json={"weight": weight})
    velocity = await make.filter("email_open")
    await client.put("/settings/ou/event-types/signup", json={"max_processing_scope": "observe"})
    await client.delete(f"/filters/{velocity['id']}")
    await client.put("/settings/ou/surge-policy", json={"mode": "gentle"})
    await make.filter("email_open")
    before = await snapshots(database, client.unit_id)
    assert before[-1]["event_types"] == {"signup": {"hidden": False, "max_processing_scope": "observe"}}
    stored = await database.fetch(PARTS)
    assert len(before) > 7
    engine = create_async_engine(sqlalchemy_url(database.url))
    async with engine.connect() as connection, connection.begin():
        await connection.run_sync(move_to, command.downgrade, BEFORE_PARTS)
    rows = await database.fetch(
        "SELECT snapshot::text FROM config_versions WHERE unit_id = $1 ORDER BY version", client.unit_id
    )
    assert [json.loads(row["snapshot"]) for row in rows] == before
    async with engine.connect() as connection, connection.begin():
        await connection.run_sync(move_to, command.upgrade, "head")
    await engine.dispose()
    assert await database.fetch(PARTS) == stored


BEFORE_PARTS = "0012"
PARTS = "SELECT * FROM config_parts ORDER BY unit_id, version, kind, part_id"


def move_to(connection: Connection, move: Callable[[Config, str], None], revision: str) -> None:
    settings = config()
    settings.attributes["connection"] = connection
    move(settings, revision)
