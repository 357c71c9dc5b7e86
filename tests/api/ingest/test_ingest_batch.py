"""`POST /ingest/batch`: valid events are accepted, and the others are reported."""

import json

from leadvibe.ingest.inbox import decode
from support.callers import Caller
from support.postgres import TestDatabase


def event(number: int) -> dict[str, str]:
    return {"event_type": "signup", "lead_id": f"lead-{number}"}


async def leads(database: TestDatabase) -> list[str | None]:
    return [decode(row["body"]).lead_id for row in await database.fetch("SELECT body FROM inbox ORDER BY event_id")]


async def keys(database: TestDatabase) -> list[str | None]:
    rows = await database.fetch("SELECT body FROM inbox ORDER BY event_id")
    return [decode(row["body"]).idempotency_key for row in rows]


async def test_an_array_of_events_is_accepted(client: Caller, database: TestDatabase) -> None:
    response = await client.post("/ingest/batch", json=[event(1), event(2)])
    assert (response.status_code, response.json()) == (202, {"accepted": 2, "rejected": 0, "errors": []})
    assert await leads(database) == ["lead-1", "lead-2"]


async def test_json_lines_are_accepted(client: Caller, database: TestDatabase) -> None:
    lines = "\n".join([json.dumps(event(1)), "", json.dumps(event(2)) + "\r", ""])
    response = await client.post(
        "/ingest/batch", content=lines.encode(), headers={"Content-Type": "application/x-ndjson"}
    )
    assert (response.status_code, response.json()["accepted"]) == (202, 2)
    assert await leads(database) == ["lead-1", "lead-2"]


async def test_invalid_events_are_reported_and_the_others_accepted(client: Caller, database: TestDatabase) -> None:
    response = await client.post(
        "/ingest/batch", json=[{"lead_id": "ada"}, event(1), 7, {**event(2), "metadata": {"a": "\x00"}}]
    )
    assert response.status_code == 202
    assert response.json() == {
        "accepted": 1,
        "rejected": 3,
        "errors": [
            {"index": 0, "error": "event_type: is required"},
            {"index": 2, "error": "body: expected object, got int"},
            {"index": 3, "error": "metadata: must not contain NUL characters"},
        ],
    }
    assert await leads(database) == ["lead-1"]


async def test_a_malformed_line_is_an_invalid_event(client: Caller) -> None:
    lines = b"{broken\n" + json.dumps(event(1)).encode()
    response = await client.post("/ingest/batch", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert response.status_code == 202
    assert response.json()["rejected"] == 1


async def test_a_batch_without_a_valid_event_is_a_400(client: Caller, database: TestDatabase) -> None:
    response = await client.post("/ingest/batch", json=[{}, {"event_type": "signup"}])
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["accepted"], body["rejected"]) == (0, 2)
    assert [error["index"] for error in body["errors"]] == [0, 1]
    assert (await client.post("/ingest/batch", json=[])).status_code == 400
    assert await leads(database) == []


async def test_a_malformed_array_is_a_400(client: Caller) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/ingest/batch", content=b'[{"event_type": "a"}', headers=headers)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "body"


async def test_a_batch_of_10_000_events_is_accepted_and_one_more_is_too_many(
    client: Caller, database: TestDatabase
) -> None:
    body = json.dumps([event(1)] * 10_000).encode()
    headers = {"Content-Type": "application/json"}
    response = await client.post("/ingest/batch", content=body, headers=headers)
    assert (response.status_code, response.json()["accepted"]) == (202, 10_000)
    assert await database.fetchval("SELECT count(*) FROM inbox") == 10_000
    body = json.dumps([event(1)] * 10_001).encode()
    assert (await client.post("/ingest/batch", content=body, headers=headers)).status_code == 413


async def test_more_than_10_megabytes_are_too_much(client: Caller) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/ingest/batch", content=b" " * (10 * 1024 * 1024 + 1), headers=headers)
    assert response.status_code == 413


async def test_other_content_types_are_rejected(client: Caller) -> None:
    response = await client.post("/ingest/batch", content=b"a,b", headers={"Content-Type": "text/csv"})
    assert response.status_code == 415


async def test_each_event_gets_the_idempotency_key_of_the_batch_and_its_index(
    client: Caller, database: TestDatabase
) -> None:
    own = {**event(3), "idempotency_key": "own"}
    await client.post("/ingest/batch", json=[event(1), {}, event(2), own], headers={"Idempotency-Key": "k"})
    assert await keys(database) == ["k/0", "k/2", "own"]


async def test_one_object_on_several_lines_is_rejected(client: Caller, database: TestDatabase) -> None:
    body = json.dumps({"events": [event(1), event(2)]}, indent=0)
    response = await client.post("/ingest/batch", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "body")
    assert await leads(database) == []
