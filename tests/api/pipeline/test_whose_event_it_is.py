"""Which lead an event belongs to if its identifiers belong to several leads, or to none yet."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from leadvibe.core.database.transactions import raw, transaction
from leadvibe.core.ids import new_uuid
from leadvibe.counts.counters import CounterChanges, update_counters
from leadvibe.identity.aliases import STRENGTH, AliasKind, Identifier
from leadvibe.identity.identify import Identified, identify
from leadvibe.identity.locks import Redirects, until_stable
from leadvibe.identity.resolution import Identity, Resolution, UnresolvedEvent
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase
from support.waiting import eventually

Drain = Callable[[], Awaitable[None]]


def named(**aliases: str) -> dict[str, Any]:
    return {"lead_id": None, "aliases": [{"alias_kind": kind, "raw_value": value} for kind, value in aliases.items()]}


async def leads_of(database: TestDatabase) -> list[list[str]]:
    """The identifiers of each lead."""
    rows = await database.fetch(
        "SELECT array_agg(kind || ':' || value ORDER BY value) AS a FROM aliases GROUP BY lead_id"
    )
    return sorted(row["a"] for row in rows)


async def conflicts(database: TestDatabase) -> list[str]:
    rows = await database.fetch("SELECT subject FROM timeline_entries WHERE kind = 'alias_conflict'")
    return sorted(row["subject"] for row in rows)


@pytest.mark.parametrize("separately", [True, False])
async def test_a_cookie_does_not_join_two_people(
    client: Caller, make: Make, drain: Drain, database: TestDatabase, *, separately: bool
) -> None:
    await make.rule("page_view", 10)
    for identifiers in (
        named(external_id="B", cookie="C"),
        named(external_id="C2", cookie="C"),
        named(external_id="C2"),
    ):
        await make.event(**identifiers)
        if separately:
            await drain()
    await drain()
    assert await leads_of(database) == [["external_id:B", "cookie:C"], ["external_id:C2"]]
    listed = (await client.get("/leads")).json()["leads"]
    assert sorted(lead["score"] for lead in listed) == [10, 20]
    assert await conflicts(database) == ["cookie:C", "cookie:C"]


@pytest.mark.parametrize("separately", [True, False])
@pytest.mark.parametrize(
    ("events", "leads"),
    [
        # A weaker identifier joins as long as its lead has no identifier of the stronger kind.
        ([{"cookie": "C"}, {"email": "a@x.com", "cookie": "C"}], [["email:a@x.com", "cookie:C"]]),
        ([{"email": "a@x.com"}, {"external_id": "A", "email": "a@x.com"}], [["external_id:A", "email:a@x.com"]]),
        # An external id may bring a further e-mail address.
        (
            [{"external_id": "A", "email": "a@x.com"}, {"external_id": "A", "email": "b@x.com"}],
            [["external_id:A", "email:a@x.com", "email:b@x.com"]],
        ),
        # One e-mail address, two external ids.
        (
            [{"external_id": "A", "email": "a@x.com"}, {"external_id": "B", "email": "a@x.com"}],
            [["external_id:A", "email:a@x.com"], ["external_id:B"]],
        ),
        # The new lead gets all of the event's new identifiers.
        (
            [
                {"email": "a@x.com", "phone": "+49301234567"},
                {"email": "b@x.com", "phone": "+49301234567", "cookie": "D"},
            ],
            [["phone:+49301234567", "email:a@x.com"], ["cookie:D", "email:b@x.com"]],
        ),
        # Phone numbers don't tell two people apart.
        (
            [{"phone": "+49301234567", "cookie": "C"}, {"phone": "+49301234568", "cookie": "C"}],
            [["phone:+49301234567", "phone:+49301234568", "cookie:C"]],
        ),
    ],
)
async def test_a_weak_identifier_joins_only_what_does_not_contradict(
    make: Make,
    drain: Drain,
    database: TestDatabase,
    events: list[dict[str, str]],
    leads: list[list[str]],
    *,
    separately: bool,
) -> None:
    for identifiers in events:
        await make.event(**named(**identifiers))
        if separately:
            await drain()
    await drain()
    assert sorted(map(sorted, await leads_of(database))) == sorted(map(sorted, leads))


async def test_a_lead_named_by_its_id_gets_every_identifier(make: Make, drain: Drain, database: TestDatabase) -> None:
    await make.event(lead_id="1", aliases=named(external_id="A", cookie="C")["aliases"])
    await make.event(lead_id="1", aliases=named(external_id="B", cookie="C")["aliases"])
    await drain()
    assert await leads_of(database) == [["external_id:A", "external_id:B", "cookie:C"]]


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ({"external_id": "A"}, {"external_id": "B"}, False),
        ({"email": "a@x.com"}, {"email": "b@x.com"}, False),
        ({"external_id": "A"}, {"email": "b@x.com"}, True),
        ({"external_id": "A"}, {"external_id": "A"}, True),
    ],
)
async def test_strong_identifiers_are_checked_again_under_the_lock_of_the_lead(
    client: Caller,
    database: TestDatabase,
    first: dict[AliasKind, str],
    second: dict[AliasKind, str],
    *,
    together: bool,
) -> None:
    await _identified(client.unit_id, {"cookie": "C"})
    async with transaction(None) as session:
        [one] = (await _identify(session, client.unit_id, {**first, "cookie": "C"}, {})).identities.values()
        racing = asyncio.create_task(_identified(client.unit_id, {**second, "cookie": "C"}))
        # It has read that the lead has no strong identifier, and waits for the lead or for the same identifier.
        await eventually(lambda: database.fetchval(WAITING), within=30)
    async with asyncio.timeout(30):
        other = await racing
    assert (one.lead_id == other.lead_id) == together
    assert len(await leads_of(database)) == (1 if together else 2)


async def _identified(unit_id: str, identifiers: dict[AliasKind, str]) -> Identity:
    async def attempt(redirects: Redirects) -> Identity:
        async with transaction(None) as session:
            identified = await _identify(session, unit_id, identifiers, redirects)
            [identity] = identified.identities.values()
            await update_counters(await raw(session), CounterChanges(leads=identified.new_leads))
            return identity

    return await until_stable(attempt)


async def _identify(
    session: AsyncSession, unit_id: str, identifiers: dict[AliasKind, str], redirects: Redirects
) -> Identified:
    event = _unresolved(identifiers)._replace(unit_id=unit_id)
    return await identify(await raw(session), [event], redirects)


KINDS: Sequence[AliasKind] = STRENGTH
EVENTS = st.lists(st.dictionaries(st.sampled_from(KINDS), st.sampled_from("abc"), min_size=1, max_size=4), max_size=12)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS, st.lists(st.integers(0, 12)))
def test_any_split_into_batches_gives_the_same_leads(events: list[dict[AliasKind, str]], splits: list[int]) -> None:
    assert partition(events, range(len(events) + 1)) == partition(events, [0, *sorted(splits), len(events)])


def partition(events: list[dict[AliasKind, str]], starts: Sequence[int]) -> list[tuple[list[int], list[str]]]:
    """The events and identifiers of each lead, resolved in batches that start at these events."""
    stored: dict[tuple[str, str, str], Identity] = {}
    members: dict[str, tuple[list[int], list[str]]] = {}
    for start, end in zip(starts, [*starts[1:], len(events)], strict=True):
        unresolved = [_unresolved(each) for each in events[start : max(start, end)]]
        keys = {("u", each.kind, each.value) for event in unresolved for each in event.identifiers}
        resolution = Resolution({key: stored[key] for key in keys & stored.keys()}, {})
        if any(map(resolution._brings_strong_identifier, unresolved)):
            for (_, kind, _), identity in stored.items():
                resolution.strong_kinds.setdefault(("u", identity.lead_id), set()).add(kind)
        for number, event in enumerate(unresolved, start):
            members.setdefault(resolution.resolve(event).lead_id, ([], []))[0].append(number)
        for key, (_, identity) in resolution.attached.items():
            stored[key] = identity
            members[identity.lead_id][1].append(f"{key[1]}:{key[2]}")
    return sorted((numbers, sorted(aliases)) for numbers, aliases in members.values())


def _unresolved(identifiers: dict[AliasKind, str]) -> UnresolvedEvent:
    ordered = [Identifier(kind, identifiers[kind], "") for kind in STRENGTH if kind in identifiers]
    return UnresolvedEvent("u", new_uuid(), datetime.now(UTC), None, ordered)
