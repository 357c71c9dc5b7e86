"""Random histories: the score log equals a fold of the facts, line by line, and ends with the score."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.ids import show
from leadvibe.core.instants import from_micros, micros, show_instant
from leadvibe.engine import Entry, Standing, advance, order
from leadvibe.pipeline.load import load
from leadvibe.rulesets.plans import lock_plans
from support.callers import Caller
from support.folding import fold
from support.make import Make
from support.postgres import TestDatabase
from support.random_leads import TARGET, RandomLeads

Drain = Callable[[], Awaitable[None]]


async def log(client: Caller, lead_id: str, **params: Any) -> list[dict[str, Any]]:
    """The whole score log, page by page."""
    lines: list[dict[str, Any]] = []
    response = await client.get(f"/leads/{lead_id}/score-log", params=params)
    while True:
        lines += response.raise_for_status().json()
        if "next" not in response.links:
            assert response.headers["X-Total-Count"] == str(len(lines))
            return lines
        response = await client.get(response.links["next"]["url"])


async def derived(client: Caller, database: TestDatabase, lead_id: str) -> list[Entry]:
    """The ledger as the engine derives it from the stored facts, in canonical order."""
    key = client.unit_id, lead_id
    async with transaction(None) as session:
        plans = (await lock_plans(session, [client.unit_id]))[client.unit_id].plans
        facts = (await load(await raw(session), [key], ()))[key].facts
    written = await database.fetchval("SELECT ledger_at FROM leads WHERE unit_id = $1 AND lead_id = $2", *key)
    outcome = fold(plans, Standing(), sorted(facts, key=order))
    return [*outcome.entries, *advance(plans, outcome.standing, micros(written)).entries]


def shown(entry: Entry) -> tuple[Any, ...]:
    event_id = show("ev", entry.cause) if entry.kind == "event" else None  # type: ignore[arg-type]
    at = show_instant(from_micros(entry.at))
    return entry.ruleset_id, entry.kind, at, event_id, entry.points, entry.applied, entry.after


def line(each: dict[str, Any]) -> tuple[Any, ...]:
    names = ("ruleset_id", "kind", "occurred_at", "event_id", "points", "applied", "total_after")
    return tuple(each[name] for name in names)


async def check(client: Caller, database: TestDatabase, lead_id: str, limit: int) -> set[str]:
    """Returns the kinds of the lines."""
    whole = await log(client, lead_id, limit=500)
    assert await log(client, lead_id, limit=limit) == whole
    entries = await derived(client, database, lead_id)
    scores = (await client.get(f"/score/{lead_id}")).json()["engagement_scores"]
    for ruleset_id, score in scores.items():
        lines = [each for each in whole if each["ruleset_id"] == ruleset_id]
        assert [line(each) for each in reversed(lines)] == [
            shown(entry) for entry in entries if entry.ruleset_id == ruleset_id
        ]
        assert [each["total_after"] for each in lines[:1]] in ([score], [])
        for newer, older in zip(lines, [*lines[1:], {"total_after": 0}], strict=True):
            assert newer["total_after"] == older["total_after"] + newer["applied"]
        assert await log(client, lead_id, limit=limit, ruleset_id=ruleset_id) == lines
    for kinds in ("event", "adjustment,reset", "decay,lift", "event,lift"):
        expected = [each for each in whole if each["kind"] in kinds.split(",")]
        assert await log(client, lead_id, limit=limit, kind=kinds) == expected
    return {each["kind"] for each in whole}


@pytest.mark.parametrize("seed", range(3))
async def test_the_score_log_of_any_history_adds_up_to_the_score(
    client: Caller, make: Make, drain: Drain, database: TestDatabase, seed: int
) -> None:
    leads = RandomLeads(seed, client, make, drain)
    await leads.configure(database)
    await leads.live(8)
    await leads.end()
    kinds: set[str] = set()
    for lead_id in leads.leads:
        kinds |= await check(client, database, lead_id, 3 + 4 * seed)
    assert {"event", "decay", "adjustment", "lift"} <= kinds
    await leads.merge()
    await check(client, database, TARGET, 11)
    await leads.live(4)
    await leads.end()
    await check(client, database, TARGET, 8)
