"""No operation reads or changes another OU: each is called by members of other OUs and organizations."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from support.callers import Caller
from support.make import Make
from support.operations import Operation, listed_operations, parameters
from support.populated import MARK, Populated, digest, populate
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

BODIES: dict[str, Any] = {
    "PUT /rules/{id}": {"weight": 99},
    "PUT /rulesets/{id}": {"name": "Taken over"},
    "PUT /decays/{id}": {"decrease": 99},
    "PUT /filters/{id}": {"count_threshold": 99},
    "PUT /settings/ou/event-types/{event_type}": {"hidden": True},
    "PUT /secrets/{id}": {"trust_upstream_consent": True},
    "PUT /org-units/{id}": {"name": "Taken over"},
    "PUT /members/{id}": {"first_name": "Taken over"},
    "POST /org-units/{id}/members": {"org_member_id": "om_stranger", "role": "Owner"},
    "PUT /org-units/{id}/members/{member_id}": {"role": "Owner"},
    "PUT /lead/{lead_id}": {"metadata": {"taken": "over"}},
    "PUT /leads/{lead_id}": {"metadata": {"taken": "over"}},
    "PATCH /lead/{lead_id}/metadata": {"taken": "over"},
    "PATCH /leads/{lead_id}/metadata": {"taken": "over"},
    "POST /lead/{lead_id}/adjust-score": {"points": 10, "reason": "Taken over"},
    "POST /leads/{lead_id}/adjust-score": {"points": 10, "reason": "Taken over"},
}
"""A valid query and body for the operation, so that only the foreign id is wrong."""

NAMES_ANYBODY_MAY_HAVE = {
    "/event-types/{event_type}/properties": "an event type is a word; two OUs may use the same",
}
"""Paths whose parameter is not an id, so that they don't return 404 to a stranger, each with the reason."""

BY_ORGANIZATION = ("/members/{id}", "/org-units/{id}")
"""Objects of the organization. Its admin can use them from each of its OUs."""

ADMINS_ONLY = ("/members/{id}", "/admin/")
"""Refused by role before the id is looked up: a member who isn't an admin gets 403 whether or not the object exists."""

READABLE_IN_THE_ORGANIZATION = {"GET /members/{id}"}
"""Every member of the organization can read these."""

OF_NO_UNIT = ("/auth/me", "/me", "/settings/tokens", "/members", "/org-units", "/usage")
"""Objects of the member or the organization, which need no OU."""

WITH_IDS = [operation for operation in listed_operations() if parameters(operation.path)]
LISTS = [
    operation
    for operation in listed_operations()
    if operation.method == "GET" and not parameters(operation.path) and operation.path != "/stream"
]
QUERIES: dict[str, dict[str, str]] = {"GET /leads/search": {"q": MARK}}
"""The parameters that a list requires."""


SMUGGLED: dict[tuple[str, str], int] = {
    ("GET /score/{lead}", '{"params": {"ruleset_id": "<rulesets>"}}'): 404,
    ("GET /lead/{lead}/score-history", '{"params": {"ruleset_id": "<rulesets>"}}'): 404,
    ("GET /lead/{lead}/score-explain", '{"params": {"ruleset_id": "<rulesets>"}}'): 404,
    (
        "POST /leads/{lead}/adjust-score",
        '{"json": {"points": 1, "reason": "x", "ruleset_id": "<rulesets>"}}',
    ): 404,
    ("POST /rules", '{"json": {"event_type": "signup", "weight": 1, "ruleset_id": "<rulesets>"}}'): 404,
    ("PUT /rules/{rule}", '{"json": {"ruleset_id": "<rulesets>"}}'): 404,
    ("POST /org-units/active", '{"json": {"ouId": "<org-units>"}}'): 404,
}
"""Requests that are valid except for one foreign id, and the expected status."""


async def call(caller: Caller, operation: Operation, world: Populated, **options: Any) -> int:
    body = {"json": BODIES[str(operation)]} if str(operation) in BODIES else {}
    path = world.fill(operation.path)
    return (await caller.request(operation.method, path, **body, **options)).status_code


async def listed(caller: Caller, operation: Operation) -> httpx.Response:
    response = await caller.get(operation.path, params=QUERIES.get(str(operation)))
    assert response.status_code in {200, 403}, response.text
    return response


@pytest.fixture
async def foreign(client: Caller, drain: Drain, database: TestDatabase) -> Populated:
    """One of everything in the OU of `client`."""
    return await populate(client, drain, database)


async def test_every_id_that_the_tests_use_is_real(client: Caller, foreign: Populated) -> None:
    reads = [operation for operation in WITH_IDS if operation.method == "GET"]
    assert {str(operation): await call(client, operation, foreign) for operation in reads} == {
        str(operation): 200 for operation in reads
    }


async def test_a_member_of_another_organization_gets_404_and_changes_nothing(
    stranger: Caller, foreign: Populated, database: TestDatabase
) -> None:
    before = await digest(database)
    told = {str(operation): await call(stranger, operation, foreign) for operation in WITH_IDS}
    expected = {str(operation): 404 for operation in WITH_IDS if operation.path not in NAMES_ANYBODY_MAY_HAVE}
    assert {key: status for key, status in told.items() if key in expected} == expected
    assert await digest(database) == before


async def test_a_member_of_another_ou_of_the_organization_gets_404_and_changes_nothing(
    neighbour: Caller, foreign: Populated, database: TestDatabase
) -> None:
    before = await digest(database)
    told = {str(operation): await call(neighbour, operation, foreign) for operation in WITH_IDS}
    expected = {
        str(operation): 403 if operation.path.startswith(ADMINS_ONLY) else 404
        for operation in WITH_IDS
        if operation.path not in NAMES_ANYBODY_MAY_HAVE and str(operation) not in READABLE_IN_THE_ORGANIZATION
    }
    assert {key: status for key, status in told.items() if key in expected} == expected
    assert await digest(database) == before


async def test_an_admin_in_another_active_ou_gets_404_and_changes_nothing(
    client: Caller, neighbour: Caller, foreign: Populated, database: TestDatabase
) -> None:
    """Ids are looked up in the active OU, not in all OUs of the caller."""
    elsewhere = {"X-OU-ID": neighbour.unit_id}
    walk = [
        operation
        for operation in WITH_IDS
        if not operation.path.startswith((*BY_ORGANIZATION, "/settings/tokens"))
        and operation.path not in NAMES_ANYBODY_MAY_HAVE
    ]
    before = await digest(database)
    told = {str(operation): await call(client, operation, foreign, headers=elsewhere) for operation in walk}
    assert told == {str(operation): 404 for operation in walk}
    assert await digest(database) == before


async def test_an_id_that_another_ou_uses_can_be_created(
    stranger: Caller, neighbour: Caller, foreign: Populated
) -> None:
    for path in NAMES_ANYBODY_MAY_HAVE:
        name = foreign.id_at(path, parameters(path)[0])
        for caller in (stranger, neighbour):
            used = await caller.get(foreign.fill(path))
            unused = await caller.get(foreign.fill(path).replace(name, "nobody_has_it"))
            assert (used.status_code, used.text) == (unused.status_code, unused.text.replace("nobody_has_it", name))


async def test_no_list_shows_objects_of_another_ou(foreign: Populated, stranger: Caller, neighbour: Caller) -> None:
    told = {
        f"{operation} to {caller.who.email}": MARK in (await listed(caller, operation)).text
        for operation in LISTS
        for caller in (stranger, neighbour)
        if caller is stranger or not operation.path.startswith("/members")  # they are the organization's
    }
    assert told == dict.fromkeys(told, False)


async def test_the_lists_of_the_ou_show_its_objects(client: Caller, foreign: Populated) -> None:
    """Without this, the test above would prove nothing."""
    paths = (
        "/events",
        "/events/export",
        "/orders",
        "/settings/ou/event-types",
        "/event-types",
        "/leads",
        "/rules",
        "/rulesets",
        "/secrets",
        "/settings/tokens",
        "/members",
        "/watched-leads",
    )
    shown = {path: MARK in (await client.get(path)).text for path in (*paths, "/admin/failed-events")}
    assert shown == dict.fromkeys(shown, True)


async def test_no_header_gives_access_to_another_ou(foreign: Populated, stranger: Caller) -> None:
    asks_for_a_unit = [
        operation
        for operation in (*LISTS, *WITH_IDS)
        if operation.authentication != "none" and not operation.path.startswith(OF_NO_UNIT)
    ]
    door = {"X-OU-ID": foreign.ids["org-units"]}
    told = {str(operation): await call(stranger, operation, foreign, headers=door) for operation in asks_for_a_unit}
    assert told == dict.fromkeys(told, 404)


async def test_scores_of_leads_of_another_ou_are_not_returned(stranger: Caller, foreign: Populated) -> None:
    response = await stranger.post("/scores/batch", json={"lead_ids": [foreign.ids["lead_id"]]})
    assert '"score":7' not in response.text.replace(" ", "")


async def test_a_foreign_id_in_a_query_or_body_gives_no_access(
    stranger: Caller, neighbour: Caller, foreign: Populated, database: TestDatabase
) -> None:
    for caller in (stranger, neighbour):
        make = Make(caller)
        own = {"lead": (await make.lead("own-lead"))["id"], "rule": (await make.rule("own_type"))["rule_id"]}
        before = await digest(database)
        for (operation, smuggled), expected in SMUGGLED.items():
            method, path = operation.split()
            response = await caller.request(method, path.format(**own), **foreign.filled_in(smuggled))
            assert (operation, response.status_code) == (operation, expected), response.text
        assert await digest(database) == before


async def test_the_id_of_a_foreign_lead_lists_no_events(stranger: Caller, foreign: Populated) -> None:
    response = await stranger.get("/events", params={"lead_id": foreign.ids["lead_id"]})
    assert (response.status_code, response.json()) == (200, [])


async def test_a_foreign_ou_cannot_become_the_active_ou(
    stranger: Caller, neighbour: Caller, foreign: Populated
) -> None:
    for caller in (stranger, neighbour):
        response = await caller.post("/org-units/active", json={"ouId": foreign.ids["org-units"]})
        assert (response.status_code, "set-cookie" in response.headers) == (404, False)


async def test_a_member_of_another_organization_cannot_be_added(client: Caller, stranger: Caller) -> None:
    body = {"org_member_id": stranger.member_id, "role": "Viewer"}
    assert (await client.post(f"/org-units/{client.unit_id}/members", json=body)).status_code == 404


async def test_two_ous_can_have_leads_with_the_same_id_and_alias(
    client: Caller, stranger: Caller, make: Make, drain: Drain
) -> None:
    aliases = [{"alias_kind": "email", "raw_value": "jane@example.com"}]
    await make.rule("signup", 20)
    await Make(stranger).rule("signup", 3)
    for builder in (make, Make(stranger)):
        await builder.event("signup", "jane", aliases=aliases, idempotency_key="once")
    await drain()
    assert (await make.score("jane"), await Make(stranger).score("jane")) == (20, 3)
    for caller in (client, stranger):
        assert len((await caller.get("/events/jane")).json()) == 1


async def test_each_ou_has_its_own_settings_for_an_event_type(
    client: Caller, stranger: Caller, make: Make, drain: Drain
) -> None:
    await make.event("zebra_seen", "lead-1")
    await drain()
    assert "zebra_seen" in (await client.get("/event-types")).text
    assert "zebra_seen" not in (await stranger.get("/event-types")).text
