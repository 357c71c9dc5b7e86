"""Every path that brings identifiers uses the same gate: what one path refuses or joins, all do."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from support.callers import Caller
from support.importing import imported
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

HEADERS = {"email": "Email", "phone": "Phone", "external_id": "CRM Id"}


async def _by_event(client: Caller, kind: str, value: str) -> str | None:
    event = {"event_type": "signup", "aliases": [{"alias_kind": kind, "raw_value": value}]}
    response = await client.post("/ingest", json=event)
    return None if response.status_code == 202 else response.json()["detail"]


async def _by_batch(client: Caller, kind: str, value: str) -> str | None:
    event = {"event_type": "signup", "aliases": [{"alias_kind": kind, "raw_value": value}]}
    body = (await client.post("/ingest/batch", json=[event])).json()
    return body["errors"][0]["error"] if body["errors"] else None


async def _by_csv(client: Caller, kind: str, value: str) -> str | None:
    content = f'event_type,{kind}\nsignup,"{value}"\n'.encode()
    body = (await client.post("/import", files={"file": ("a.csv", content)})).json()
    return body["error_rows"][0]["error"] if body["error_rows"] else None


async def _by_lead_import(client: Caller, kind: str, value: str) -> str | None:
    primary = {"column": HEADERS[kind], "kind": kind}
    outcome = await imported(client, f'{HEADERS[kind]}\n"{value}"\n'.encode(), primary_identifier=primary)
    return outcome["errors"][0]["error"] if outcome["errors"] else None


async def _by_order(client: Caller, kind: str, value: str) -> str | None:
    aliases = [{"alias_kind": kind, "raw_value": value}]
    order = {"order_id": "1", "amount": "1.00", "currency": "EUR", "aliases": aliases}
    response = await client.post("/orders", json=order)
    return None if response.is_success else response.json()["detail"]


Send = Callable[[Caller, str, str], Awaitable[str | None]]
"""Sends an identifier, and returns the error that names it, if it is refused."""
PATHS: Sequence[Send] = (_by_event, _by_batch, _by_csv, _by_lead_import, _by_order)

REFUSED = [
    ("email", "a\u200b@x.com", "invisible"),
    ("email", "\ufeffa@x.com", "invisible"),
    ("email", "a@x.com\u2060", "invisible"),
    ("email", "\u212aate@x.com", "U+212A"),
    ("email", "a@x.com; b@x.com", "an alias of its own"),
    ("email", "Ada <ada@x.com>", "the address alone"),
    ("email", "ada@", "like ada@example.com"),
    ("email", "not an address", "like ada@example.com"),
    ("email", "n/a", "placeholder"),
    ("phone", "4.91512E+11", "spreadsheet"),
    ("phone", "#N/A", "placeholder"),
    ("phone", "1234", "digits"),
    ("external_id", "undefined", "placeholder"),
]


@pytest.mark.parametrize("send", PATHS)
async def test_no_path_accepts_what_is_no_identifier(client: Caller, drain: Drain, send: Send) -> None:
    accepted: list[Any] = []
    for kind, value, hint in REFUSED:
        error = await send(client, kind, value)
        if error is None or hint not in error:
            accepted.append((kind, value, error))
    assert accepted == []
    await drain()
    assert (await client.get("/leads")).json()["total"] == 0


SAME = {
    "external_id": [" 42", "42", "42 ", "\u00a042\u3000"],
    "email": ["ada@x.com", " Ada@X.com", "ada@x.com."],
    "phone": ["+49 151 12345678", "0049151/12345678", "+49 (0) 151 12345678"],
}


@pytest.mark.parametrize("kind", SAME)
async def test_all_paths_read_all_spellings_as_one_identifier(
    client: Caller, drain: Drain, database: TestDatabase, kind: str
) -> None:
    for send in PATHS:
        for value in SAME[kind]:
            assert await send(client, kind, value) is None
    await drain()
    assert await database.fetchval("SELECT count(*) FROM aliases") == 1
    assert (await client.get("/leads")).json()["total"] == 1


async def test_keys_of_a_file_are_one_key_with_and_without_white_space(client: Caller, database: TestDatabase) -> None:
    content = b"event_type,lead_id,idempotency_key\nsignup,ada, k1\nsignup, ada,k1\nsignup,ada ,k1 \n"
    body = (await client.post("/import", files={"file": ("a.csv", content)})).json()
    assert (body["imported"], body["repeated"]) == (3, 2)
    event = {"event_type": "signup", "lead_id": "ada"}
    assert (await client.post("/ingest", json=event, headers={"Idempotency-Key": "k1 "})).json()["repeated"]
    assert await database.fetchval("SELECT count(*) FROM inbox") == 1
