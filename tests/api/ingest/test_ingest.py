"""`POST /ingest`: one event, acknowledged when it is stored."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from leadvibe.ingest.inbox import AcceptedEvent, decode
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

EVENT = {"event_type": "signup", "lead_id": "ada"}


async def waiting(database: TestDatabase) -> list[AcceptedEvent]:
    return [decode(row["body"]) for row in await database.fetch("SELECT body FROM inbox ORDER BY event_id")]


def assert_names(response: Any, status: int, field: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert field in [error["field"] for error in body["errors"]]
    assert field in body["detail"]
    assert body["error"] == body["detail"]


async def test_an_event_is_acknowledged_when_it_is_in_the_inbox(client: Caller, database: TestDatabase) -> None:
    response = await client.post("/ingest", json={**EVENT, "metadata": {"b": 1.0, "a": "ä"}})
    assert response.status_code == 202
    event_id = response.json()["event_id"]
    assert response.json() == {"message": "event ingested", "metadata": {"a": "ä", "b": 1}, "event_id": event_id}
    [row] = await database.fetch("SELECT * FROM inbox")
    assert (f"ev_{row['event_id'].hex}", row["unit_id"]) == (event_id, client.unit_id)
    assert decode(row["body"]) == AcceptedEvent("signup", "ada", [], None, '{"a":"ä","b":1}'.encode(), None, None)


async def test_an_event_moves_the_score(client: Caller, make: Make, drain: Callable[[], Awaitable[None]]) -> None:
    await make.rule(event_type="signup", weight=20)
    await client.post("/ingest", json=EVENT)
    await drain()
    assert await make.score("ada") == 20


async def test_events_is_another_path_of_the_operation(client: Caller, database: TestDatabase) -> None:
    assert (await client.post("/events", json=EVENT)).status_code == 202
    assert len(await waiting(database)) == 1
    assert (await client.get("/events")).status_code == 200


async def test_a_credential_and_an_operator_can_ingest_and_a_viewer_cannot(
    basic: Caller, operator: Caller, viewer: Caller, anonymous: Caller, database: TestDatabase
) -> None:
    assert (await basic.post("/ingest", json=EVENT)).status_code == 202
    assert (await operator.post("/ingest", json=EVENT)).status_code == 202
    assert (await viewer.post("/ingest", json=EVENT)).status_code == 403
    refused = await anonymous.post("/ingest", json=EVENT)
    assert refused.status_code == 401
    assert "Basic" in refused.headers["www-authenticate"]
    assert len(await waiting(database)) == 2


async def test_an_unknown_credential_is_rejected(anonymous: Caller) -> None:
    assert (await anonymous.post("/ingest", json=EVENT, auth=("lv_ci_no", "lv_cs_one"))).status_code == 401


async def test_the_ou_is_that_of_the_caller_whatever_the_event_says(
    basic: Caller, stranger: Caller, database: TestDatabase
) -> None:
    await basic.post("/ingest", json={**EVENT, "unit_id": stranger.unit_id})
    assert await database.fetchval("SELECT unit_id FROM inbox") == basic.unit_id


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{", "body"),
        ("[]", "body"),
        ("", "body"),
        ('{"lead_id": "ada"}', "event_type"),
        ('{"event_type": 7, "lead_id": "ada"}', "event_type"),
        ('{"event_type": "signup"}', "lead_id"),
        ('{"event_type": "a", "aliases": [{"alias_kind": "fax", "raw_value": "7"}]}', "aliases.0.alias_kind"),
        ('{"event_type": "a", "lead_id": "b", "timestamp": "2025-08-15T12:00:00"}', "timestamp"),
        ('{"event_type": "a", "lead_id": "b", "metadata": {"a": "\\u0000"}}', "metadata"),
        ('{"event_type": "a", "lead_id": "b", "metadata": {"\\ud800": 1}}', "metadata"),
        ('{"event_type": "\\ud800", "lead_id": "b"}', "event_type"),
        ('{"event_type": "a", "lead_id": "b", "metadata": {"a": 1e200000}}', "metadata"),
        ('{"event_type": "a", "lead_id": "b", "metadata": ' + '{"a":' * 32 + "{}" + "}" * 33, "metadata"),
        ('{"event_type": "a", "lead_id": "b", "metadata": 5}', "metadata"),
    ],
)
async def test_bad_input_is_a_400_that_names_the_field(
    client: Caller, database: TestDatabase, body: str, field: str
) -> None:
    headers = {"Content-Type": "application/json"}
    assert_names(await client.post("/ingest", content=body.encode(), headers=headers), 400, field)
    assert await waiting(database) == []


async def test_metadata_of_more_than_100_kilobytes_is_a_413(client: Caller) -> None:
    def body(size: int) -> bytes:
        metadata = '{"a":"' + "x" * (size - 8) + '"}'
        return b'{"event_type":"a","lead_id":"b","metadata":' + metadata.encode() + b"}"

    headers = {"Content-Type": "application/json"}
    assert (await client.post("/ingest", content=body(102_400), headers=headers)).status_code == 202
    assert_names(await client.post("/ingest", content=body(102_401), headers=headers), 413, "metadata")


async def test_a_body_of_10_megabytes_is_a_413_and_is_not_read(client: Caller) -> None:
    sent = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal sent
        for _ in range(160):
            sent += 65_536
            yield b" " * 65_536

    response = await client.post("/ingest", content=endless(), headers={"Content-Type": "application/json"})
    assert_names(response, 413, "body")
    assert sent < 2_000_000
    declared = {"Content-Type": "application/json", "Content-Length": "10000000"}
    assert_names(await client.post("/ingest", content=endless(), headers=declared), 413, "body")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 202),
        ("Application/JSON; charset=utf-8", 202),
        (None, 202),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
async def test_only_json_is_accepted(client: Caller, content_type: str | None, status: int) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await client.post("/ingest", content=json.dumps(EVENT).encode(), headers=headers)
    assert response.status_code == status, response.text


async def test_the_idempotency_key_comes_from_the_header_or_the_event(client: Caller, database: TestDatabase) -> None:
    header = {"Idempotency-Key": "k-1"}
    await client.post("/ingest", json=EVENT, headers=header)
    await client.post("/ingest", json={**EVENT, "idempotency_key": "k-2"})
    await client.post("/ingest", json={**EVENT, "idempotency_key": "k-1"}, headers=header)
    assert [event.idempotency_key for event in await waiting(database)] == ["k-1", "k-2"]
    refused = await client.post("/ingest", json={**EVENT, "idempotency_key": "k-2"}, headers=header)
    assert_names(refused, 400, "idempotency_key")
    too_long = await client.post("/ingest", json=EVENT, headers={"Idempotency-Key": "k" * 201})
    assert_names(too_long, 400, "Idempotency-Key")


async def test_a_second_event_with_the_same_key_changes_nothing(
    client: Caller, make: Make, drain: Callable[[], Awaitable[None]]
) -> None:
    await make.rule(event_type="signup", weight=20)
    for _ in range(3):
        assert (await client.post("/ingest", json=EVENT, headers={"Idempotency-Key": "once"})).status_code == 202
        await drain()
    assert await make.score("ada") == 20


async def test_accepted_events_are_counted(client: Caller) -> None:
    async def counted() -> float:
        lines = (await client.get("/metrics")).text.splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith("events_ingested_total "))

    before = await counted()
    await client.post("/ingest", json=EVENT)
    await client.post("/ingest", json={})
    await client.post("/ingest/batch", json=[EVENT, EVENT, {}])
    assert await counted() - before == 3


async def test_every_operation_is_in_the_document(client: Caller) -> None:
    document = (await client.get("/openapi.json")).json()
    for path in ("/ingest", "/events", "/ingest/batch", "/import", "/events/import"):
        operation = document["paths"][path]["post"]
        assert operation["requestBody"]["required"]
        assert "202" in operation["responses"]
        assert operation["security"] == [{"bearerAuth": []}, {"basicAuth": []}]
