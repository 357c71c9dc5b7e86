"""Texts like `undefined` that stand for a missing identifier, on every path that brings events and orders."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest

from support.callers import Caller
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

NAMED = ("undefined", "null", "None", "0", "NaN", "[object Object]", "#N/A", "n/a")
"""Each by another program."""


def aliases(**values: str) -> list[dict[str, str]]:
    return [{"alias_kind": kind, "raw_value": value} for kind, value in values.items()]


async def _single(client: Caller, email: str, placeholder: str) -> tuple[httpx.Response, list[str]]:
    event = {"event_type": "signup", "aliases": aliases(external_id=placeholder, email=email)}
    response = await client.post("/ingest", json=event)
    return response, response.json()["warnings"]


async def _batch(client: Caller, email: str, placeholder: str) -> tuple[httpx.Response, list[str]]:
    event = {"event_type": "signup", "aliases": aliases(external_id=placeholder, email=email)}
    good = {"event_type": "signup", "lead_id": "good"}
    response = await client.post("/ingest/batch", json=[good, event])
    warnings = response.json()["warnings"]
    assert [warning["index"] for warning in warnings] == [1]
    return response, [warning["warning"] for warning in warnings]


async def _csv(client: Caller, email: str, placeholder: str) -> tuple[httpx.Response, list[str]]:
    content = f"event_type,external_id,email\nsignup,{placeholder},{email}\n".encode()
    response = await client.post("/import", files={"file": ("a.csv", content)})
    warnings = response.json()["warnings"]
    assert [warning["line"] for warning in warnings] == [2]
    return response, [warning["warning"] for warning in warnings]


async def _order(client: Caller, email: str, placeholder: str) -> tuple[httpx.Response, list[str]]:
    named = aliases(external_id=placeholder, email=email)
    order = {"order_id": email, "amount": "1.00", "currency": "EUR", "aliases": named}
    response = await client.post("/orders", json=order)
    return response, response.json()["warnings"]


Send = Callable[[Caller, str, str], Awaitable[tuple[httpx.Response, list[str]]]]
PATHS: Sequence[Send] = (_single, _batch, _csv, _order)


@pytest.mark.parametrize("placeholder", NAMED)
@pytest.mark.parametrize("send", PATHS)
async def test_a_placeholder_beside_a_good_alias_joins_nobody_and_is_named(
    client: Caller, drain: Drain, database: TestDatabase, send: Send, placeholder: str
) -> None:
    for email in ("a@x.com", "b@x.com"):
        response, warnings = await send(client, email, placeholder)
        assert response.is_success, response.text
        field = "external_id" if send is _csv else "aliases.0.raw_value"
        assert warnings == [f"{field}: {placeholder!r} is a placeholder, not an identifier; it was left out"]
    await drain()
    stored = await database.fetch("SELECT kind, value, lead_id FROM aliases ORDER BY value")
    assert [(row["kind"], row["value"]) for row in stored] == [("email", "a@x.com"), ("email", "b@x.com")]
    assert len({row["lead_id"] for row in stored}) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"lead_id": "undefined"},
        {"aliases": aliases(external_id="[object Object]")},
        {"aliases": aliases(external_id="null", email="n/a")},
        {"lead_id": "None", "aliases": aliases(email="a@x.com")},
    ],
)
async def test_a_placeholder_alone_or_as_the_id_of_a_lead_is_refused(client: Caller, body: dict[str, Any]) -> None:
    event = {"event_type": "signup", **body}
    order = {"order_id": "1", "amount": "1.00", "currency": "EUR", **body}
    for path, sent in (("/ingest", event), ("/ingest/batch", [event]), ("/orders", order)):
        response = await client.post(path, json=sent)
        assert response.status_code == 400, response.text
        assert "placeholder" in response.text
