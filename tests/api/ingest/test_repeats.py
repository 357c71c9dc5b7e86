"""Repeated events, batches and imports change nothing, and their answers say so."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leadvibe.core.ids import new_uuid, show
from leadvibe.core.jobs.queue import drain_jobs
from leadvibe.identity.aliases import Identifier
from leadvibe.ingest.buffer import append
from leadvibe.ingest.inbox import AcceptedEvent, row_of
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]
EVENT = {"event_type": "signup", "lead_id": "ada"}
OTHER = {"event_type": "signup", "lead_id": "bob"}


def keyed(key: str) -> dict[str, str]:
    return {**EVENT, "idempotency_key": key}


async def ingest(client: Caller, event: dict[str, Any], key: str | bytes | None = None) -> dict[str, Any]:
    headers = [] if key is None else [(b"Idempotency-Key", key if isinstance(key, bytes) else key.encode())]
    response = await client.post("/ingest", json=event, headers=headers)
    assert response.status_code == 202, response.text
    return response.json()


async def batch(client: Caller, events: list[Any], key: str | None = None) -> Any:
    return await client.post("/ingest/batch", json=events, headers={} if key is None else {"Idempotency-Key": key})


async def upload(client: Caller, content: str, key: str | None = None) -> Any:
    files = {"file": ("events.csv", content.encode(), "text/csv")}
    return await client.post("/import", files=files, headers={} if key is None else {"Idempotency-Key": key})


async def inbox(database: TestDatabase) -> int:
    return await database.fetchval("SELECT count(*) FROM inbox")


# Events


async def test_a_repeated_event_is_answered_with_the_first_events_id(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rule("signup", 20)
    first = await ingest(client, keyed("k"))
    assert "repeated" not in first
    again = [await ingest(client, keyed("k")), await ingest(client, EVENT, "k")]
    assert await inbox(database) == 1
    await drain()
    again += [await ingest(client, {**OTHER, "idempotency_key": "k"})]
    assert [(answer["event_id"], answer["repeated"]) for answer in again] == [(first["event_id"], True)] * 3
    await drain()
    assert await make.score("ada") == 20


async def test_events_with_one_key_that_arrive_together_count_once(client: Caller, database: TestDatabase) -> None:
    answers = await asyncio.gather(*(ingest(client, keyed("k")) for _ in range(20)))
    assert len({answer["event_id"] for answer in answers}) == 1
    assert sum("repeated" not in answer for answer in answers) == 1
    assert await inbox(database) == 1


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("é", "é"),
        ("e\u0301", "\u00e9"),
        ('"abc"', "abc"),
        (' "abc" ', "abc"),
        ('" abc "', "abc"),
        (r'"a\"b"', 'a"b'),
        ("k ", "k"),
        ("k", "\u00a0k\u2003"),
    ],
)
async def test_a_header_and_a_field_that_say_the_same_are_one_key(
    client: Caller, database: TestDatabase, header: str, field: str
) -> None:
    first = await ingest(client, EVENT, header)
    again = await ingest(client, keyed(field))
    both = await ingest(client, keyed(field), header)
    assert [answer["event_id"] for answer in (again, both)] == [first["event_id"]] * 2
    assert await inbox(database) == 1


@pytest.mark.parametrize("key", [b"\xe9", b"a\xe2\x80\x8bb", b"  ", b'""', b"k" * 201])
async def test_a_header_that_is_no_key_is_a_400(client: Caller, key: bytes) -> None:
    response = await client.post("/ingest", json=EVENT, headers=[(b"Idempotency-Key", key)])
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize("event_id", ["visit-42", 42, " visit-42 "])
async def test_a_clients_event_id_is_the_key_if_no_key_is_sent(
    client: Caller, database: TestDatabase, event_id: str | int
) -> None:
    first = await ingest(client, {**EVENT, "event_id": event_id})
    assert (await ingest(client, keyed(str(event_id))))["event_id"] == first["event_id"]
    assert (await batch(client, [{**EVENT, "event_id": event_id}])).json()["repeated"] == 1
    assert (await upload(client, f"event_type,lead_id,event_id\nsignup,ada,{event_id}\n")).json()["repeated"] == 1
    assert "repeated" not in await ingest(client, {**EVENT, "event_id": event_id, "idempotency_key": "another"})
    assert await inbox(database) == 2


async def test_an_event_that_was_read_can_be_sent_back_and_changes_nothing(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    sent = await ingest(client, EVENT)
    waiting = await ingest(client, {**EVENT, "event_id": sent["event_id"]})
    assert (waiting["event_id"], waiting["repeated"]) == (sent["event_id"], True)
    await drain()
    [event] = (await client.get("/events")).json()
    answer = await ingest(client, event)
    assert (answer["event_id"], answer["repeated"]) == (sent["event_id"], True)
    assert "warnings" not in answer
    assert (await batch(client, [event, EVENT])).json()["repeated"] == 1
    assert await inbox(database) == 1


async def test_our_own_export_imported_again_changes_nothing(
    client: Caller, drain: Drain, database: TestDatabase
) -> None:
    await batch(client, [EVENT, EVENT, OTHER])
    await drain()
    export = (await client.get("/events/export")).text
    assert export.startswith("id,lead_id,event_type")
    answer = (await upload(client, export)).json()
    assert (answer["imported"], answer["repeated"]) == (3, 3)
    assert await inbox(database) == 0


async def test_an_id_of_another_ous_event_is_only_a_key(
    client: Caller, neighbour: Caller, drain: Drain, database: TestDatabase
) -> None:
    sent = await ingest(neighbour, EVENT)
    await drain()
    ours = {**EVENT, "event_id": sent["event_id"]}
    first = await ingest(client, ours)
    assert "repeated" not in first
    assert (await ingest(client, ours))["event_id"] == first["event_id"]
    unknown = {**EVENT, "event_id": show("ev", new_uuid())}
    assert "repeated" not in await ingest(client, unknown)
    assert (await ingest(client, unknown))["repeated"]


async def test_a_repeat_in_another_ou_counts(client: Caller, neighbour: Caller, database: TestDatabase) -> None:
    await ingest(client, keyed("k"))
    assert "repeated" not in await ingest(neighbour, keyed("k"))


async def test_events_that_an_earlier_version_accepted_claim_their_keys_when_they_are_processed(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rule("signup", 20)
    event = AcceptedEvent("signup", "ada", [], None, b"{}", None, "k")
    await append([row_of(client.unit_id, event)._replace(key=None) for _ in range(2)])
    await drain()
    assert await make.score("ada") == 20
    assert (await ingest(client, keyed("k")))["repeated"]


async def test_a_failed_event_keeps_its_key_and_counts_after_a_retry(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.rule("signup", 20)
    first = await ingest(client, keyed("k"))
    await database.execute(
        "WITH failed AS (DELETE FROM inbox RETURNING *)"
        " INSERT INTO failed_events (unit_id, event_id, route, received_at, body, error)"
        " SELECT unit_id, event_id, route, received_at, body, 'no' FROM failed"
    )
    assert (await ingest(client, keyed("k")))["repeated"]
    assert (await client.post(f"/admin/failed-events/{first['event_id']}/retry")).status_code in {200, 202}
    await drain()
    assert await make.score("ada") == 20


@pytest.mark.parametrize("erased_first", [True, False])
async def test_a_key_goes_with_its_lead_even_if_its_event_was_not_processed(
    client: Caller, make: Make, drain: Drain, database: TestDatabase, *, erased_first: bool
) -> None:
    await make.lead("ada")
    await ingest(client, keyed("k"))
    assert (await client.delete("/lead/ada")).status_code == 200
    if erased_first:
        await drain_jobs()
    await drain()
    await drain_jobs()
    assert await database.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    assert "repeated" not in await ingest(client, keyed("k"))
    await drain()
    assert (await client.get("/lead/ada")).status_code == 200


async def test_the_key_of_a_deleted_unprocessed_event_stays_used_until_its_lead_is_deleted(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.lead("ada")
    first = await ingest(client, keyed("k"))
    deleted = await client.request("DELETE", "/events/batch", json={"event_ids": [first["event_id"]]})
    assert deleted.status_code == 200, deleted.text
    assert (await ingest(client, keyed("k")))["repeated"]
    await client.delete("/lead/ada")
    await drain_jobs()
    assert await database.fetchval("SELECT count(*) FROM idempotency_keys") == 0


async def test_the_events_of_a_merged_lead_are_still_recognized(client: Caller, make: Make, drain: Drain) -> None:
    await make.lead("bob")
    first = await ingest(client, keyed("k"))
    await drain()
    await client.post("/leads/merge", json={"targetLeadId": "bob", "sourceLeadIds": ["ada"]})
    assert (await ingest(client, keyed("k")))["event_id"] == first["event_id"]


async def test_two_flushes_that_claim_the_same_keys_in_another_order_both_succeed(
    client: Caller, database: TestDatabase
) -> None:
    def rows(*keys: str) -> list[Any]:
        alias = [Identifier("email", "a@b.c", "a@b.c")]
        return [row_of(client.unit_id, AcceptedEvent("a", None, alias, None, b"{}", None, key)) for key in keys]

    names = [f"k{number}" for number in range(50)]
    stored = await asyncio.gather(*(append(rows(*names[::step])) for step in (1, -1) for _ in range(4)))
    assert sum(not event.repeated for flush in stored for event in flush) == 50
    assert await inbox(database) == 50


# Batches


async def test_a_batch_counts_its_repeats(client: Caller, database: TestDatabase) -> None:
    response = await batch(client, [keyed("a"), keyed("a"), {}, EVENT, keyed("b")])
    assert (response.status_code, response.json()["repeated"], response.json()["accepted"]) == (202, 1, 4)
    assert (await batch(client, [keyed("b"), EVENT])).json() == {
        "accepted": 2,
        "rejected": 0,
        "errors": [],
        "repeated": 1,
    }
    assert await inbox(database) == 4


async def test_a_batch_whose_key_was_used_with_another_body_is_a_422_that_names_the_key(
    client: Caller, database: TestDatabase
) -> None:
    await batch(client, [EVENT, {}, EVENT], "K")
    response = await batch(client, [OTHER], "K")
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert "'K'" in response.json()["detail"]
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"
    assert (await upload(client, "event_type,lead_id\nsignup,ada\n", "K")).status_code == 422
    assert await inbox(database) == 2


async def test_a_repeated_batch_answers_what_it_answered(client: Caller, database: TestDatabase) -> None:
    body = [EVENT, {}, keyed("own"), {**EVENT, "color": "red"}]
    first = await batch(client, body, "K")
    await ingest(client, keyed("own"))
    again = await batch(client, body, ' "K" ')
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.json()["rejected"] == 1
    assert await inbox(database) == 3


async def test_equal_batches_that_arrive_together_count_once(client: Caller, database: TestDatabase) -> None:
    answers = await asyncio.gather(*(batch(client, [EVENT, OTHER], "K") for _ in range(6)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
    assert await inbox(database) == 2


async def test_different_batches_with_one_key_that_arrive_together_are_one_batch_and_a_422(
    client: Caller, database: TestDatabase
) -> None:
    answers = await asyncio.gather(batch(client, [EVENT, OTHER], "K"), batch(client, [OTHER], "K"))
    assert sorted(answer.status_code for answer in answers) == [202, 422]


async def test_the_key_of_a_batch_without_a_valid_event_stays_free(client: Caller, database: TestDatabase) -> None:
    assert (await batch(client, [{}], "K")).status_code == 400
    assert (await batch(client, [EVENT], "K")).status_code == 202
    assert await inbox(database) == 1


async def test_the_own_id_of_an_event_wins_over_its_position_in_a_batch(client: Caller) -> None:
    first = await ingest(client, {**EVENT, "event_id": "visit-42"})
    assert "repeated" not in first
    assert (await batch(client, [{**EVENT, "event_id": "visit-42"}, EVENT], "K")).json()["repeated"] == 1


# Imports


async def test_a_repeated_import_answers_what_it_answered(client: Caller, database: TestDatabase) -> None:
    content = "event_type,lead_id\n" + "signup,ada\n" * 2_500 + ",bad\n"
    first = await upload(client, content, "K")
    assert (first.status_code, first.json()["imported"]) == (202, 2_500)
    again = await upload(client, content, "K")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert (await upload(client, content + "signup,bob\n", "K")).status_code == 422
    assert (await batch(client, [EVENT], "K")).status_code == 422
    assert await inbox(database) == 2_500


async def test_an_import_that_was_interrupted_continues_when_it_is_sent_again(
    client: Caller, database: TestDatabase
) -> None:
    content = "event_type,lead_id\n" + "signup,ada\n" * 2_500
    await database.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$"
    )
    await database.execute(
        "CREATE TRIGGER fail BEFORE UPDATE OF answer ON ingest_requests FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    assert (await upload(client, content, "K")).status_code == 503
    assert await inbox(database) == 2_000
    await database.execute("DROP FUNCTION fail CASCADE")
    assert (await upload(client, content + "signup,bob\n", "K")).status_code == 422
    assert (await upload(client, content, "K")).json()["repeated"] == 2_000
    assert await inbox(database) == 2_500


# Unknown fields


async def test_unknown_fields_are_ignored_and_named(client: Caller, database: TestDatabase) -> None:
    answer = await ingest(client, {**EVENT, "timestmp": "2026-03-01T12:00:00Z", "line\nbreak": 1})
    assert answer["warnings"] == [
        "timestmp: is not a field of an event; it was ignored",
        "line\ufffdbreak: is not a field of an event; it was ignored",
    ]
    body = (await batch(client, [EVENT, {**EVENT, "color": "red"}, {"color": 1}])).json()
    assert body["warnings"] == [{"index": 1, "warning": "color: is not a field of an event; it was ignored"}]
    lines = "\n".join(json.dumps(event) for event in ({**EVENT, "color": "red"}, EVENT))
    headers = {"Content-Type": "application/x-ndjson"}
    body = (await client.post("/ingest/batch", content=lines, headers=headers)).json()
    assert [warning["index"] for warning in body["warnings"]] == [0]
    assert await inbox(database) == 5


async def test_many_unknown_fields_are_counted(client: Caller) -> None:
    answer = await ingest(client, {**EVENT, **{f"f{number}": number for number in range(30)}})
    assert len(answer["warnings"]) == 21
    assert answer["warnings"][-1] == "10 more fields were ignored"


async def test_an_error_of_an_event_with_unknown_fields_names_the_field(client: Caller) -> None:
    response = await client.post("/ingest", json={"color": "red", "event_type": 7, "lead_id": "ada"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "event_type")
