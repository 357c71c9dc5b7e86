"""The stored answers of batches and imports with a key: what they answer, how long they stay, what they say."""

from typing import Any

import httpx
import pytest

from leadvibe.core.jobs.queue import drain_jobs
from leadvibe.ingest.tasks import prune_ingest_answers
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

FILE = b"event_type,lead_id,visited,color\nsignup,ada,2026-03-01,red\n"
OPTIONS = {"timezone": "Europe/Berlin", "map": ["visited=timestamp", "color=cookie"], "set": ["email=a@x.com"]}
EVENT = {"event_type": "signup", "lead_id": "ada"}
AGE = "UPDATE ingest_requests SET created_at = created_at - $1::text::interval"


async def upload(client: Caller, **options: Any) -> httpx.Response:
    files = {"file": ("events.csv", FILE, "text/csv")}
    return await client.post("/import", files=files, params=options, headers={"Idempotency-Key": "K"})


async def batch(client: Caller, *events: dict[str, Any], key: str | None = "K") -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post("/ingest/batch", json=events, headers=headers)


@pytest.mark.parametrize(
    "other",
    [
        {"timezone": "Europe/Paris"},
        {"timezone": None},
        {"map": ["visited=timestamp"]},
        {"map": ["visited=timestamp", "color=social"]},
        {"set": ["email=b@x.com"]},
        {"set": []},
        {"metadata": "rest"},
        {"delimiter": ","},
        {"skip_triggers": "true"},
    ],
)
async def test_a_file_that_is_sent_again_with_other_options_and_the_same_key_is_refused(
    client: Caller, database: TestDatabase, other: dict[str, Any]
) -> None:
    first = await upload(client, **OPTIONS)
    assert first.status_code == 202, first.text
    options = {name: value for name, value in {**OPTIONS, **other}.items() if value is not None}
    refused = await upload(client, **options)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert "'K'" in refused.json()["detail"]
    assert await database.fetchval("SELECT count(*) FROM inbox") == 1
    assert (await upload(client, **OPTIONS)).content == first.content


async def test_options_in_another_order_are_the_same_request(client: Caller) -> None:
    first = await upload(client, **OPTIONS)
    again = await upload(client, **{**OPTIONS, "map": OPTIONS["map"][::-1]}, skip_triggers="false")
    assert (again.status_code, again.content) == (first.status_code, first.content)


async def test_an_old_answer_is_deleted_and_the_key_stays_used(client: Caller, database: TestDatabase) -> None:
    bad = {"event_type": "signup", "lead_id": "a/b"}
    await batch(client, EVENT, bad)
    await database.execute(AGE, "23 hours")
    await prune_ingest_answers()
    assert "repeated" not in (await batch(client, EVENT, bad)).json()
    await database.execute(AGE, "2 hours")
    await prune_ingest_answers()
    assert await database.fetchval("SELECT count(*) FROM ingest_requests WHERE answer IS NOT NULL") == 0
    assert (await batch(client, EVENT)).status_code == 422
    again = (await batch(client, EVENT, bad)).json()
    assert (again["accepted"], again["repeated"], again["rejected"]) == (1, 1, 1)
    assert await database.fetchval("SELECT count(*) FROM inbox") == 1


async def test_the_deletion_of_a_lead_leaves_only_numbers_of_earlier_answers(
    client: Caller, make: Make, database: TestDatabase
) -> None:
    await make.lead("ada")
    first = await batch(client, EVENT, {**EVENT, "ada lovelace": 1}, {"event_type": "a", "lead_id": "a/b"})
    assert (len(first.json()["errors"]), len(first.json()["warnings"])) == (1, 1)
    await client.delete("/lead/ada")
    await drain_jobs()
    again = await batch(client, EVENT, {**EVENT, "ada lovelace": 1}, {"event_type": "a", "lead_id": "a/b"})
    assert again.json() == first.json() | {"errors": [], "warnings": []}
    assert await database.fetchval("SELECT count(*) FROM inbox") == 0  # the answer is still an answer


async def test_each_ou_has_its_own_answers(client: Caller, neighbour: Caller, make: Make) -> None:
    await make.lead("ada")
    first = await batch(neighbour, EVENT, {})
    await client.delete("/lead/ada")
    await drain_jobs()
    assert (await batch(neighbour, EVENT, {})).content == first.content


async def test_the_first_100_warnings_of_a_batch_are_listed_and_all_are_counted(client: Caller) -> None:
    odd = {**EVENT, "color": "red", "size": 1}
    answer = (await batch(client, *[odd] * 75, key=None)).json()
    assert (len(answer["warnings"]), answer["warning_count"]) == (100, 150)
    assert [answer["warnings"][position]["index"] for position in (0, 1, 2, 99)] == [0, 0, 1, 49]
    assert "warning_count" not in (await batch(client, EVENT, key=None)).json()
