"""Limits on how many objects of a kind exist, and on the size of a configuration: each names its setting."""

from collections.abc import Callable
from typing import Any

import pytest

from leadvibe import limits
from leadvibe.config import settings
from leadvibe.rulesets import versions
from support.callers import Caller
from support.importing import LEADS, preview
from support.make import Make

Limit = Callable[..., None]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Sets limits for the rest of the test."""

    def set_limits(**values: int) -> None:
        changed = settings().model_copy(update=values)
        for module in (limits, versions):
            monkeypatch.setattr(module, "settings", lambda: changed)

    return set_limits


Case = tuple[str, str, Callable[[int], dict[str, Any]], int]
"""Setting, path, body of the nth object, and how many there are at the beginning."""

CREATED: list[Case] = [
    ("max_rulesets", "/rulesets", lambda n: {"name": f"Ruleset {n}"}, 1),
    ("max_rules", "/rules", lambda n: {"event_type": f"type {n}", "weight": 1}, 0),
    ("max_decays", "/decays", lambda n: {"inactive_for": n + 1, "unit": "days", "decrease": 1}, 0),
    (
        "max_filters",
        "/filters",
        lambda n: {"event_type": f"type {n}", "count_threshold": 3, "time_window_ms": 60_000},
        0,
    ),
    ("max_credentials", "/secrets", lambda n: {"name": f"Program {n}"}, 1),
    ("max_personal_tokens", "/settings/tokens", lambda n: {"name": f"Token {n}"}, 0),
    ("max_units", "/org-units", lambda n: {"name": f"Unit {n}"}, 2),
    (
        "max_members",
        "/members",
        lambda n: {
            "first_name": "Ada",
            "last_name": "Byron",
            "email": f"ada{n}@example.com",
            "role": "viewer",
            "password": "a long enough password",
        },
        4,
    ),
]


@pytest.mark.parametrize("case", CREATED, ids=[case[0] for case in CREATED])
async def test_one_more_object_than_the_limit_is_a_409_that_names_the_setting(
    client: Caller, limit: Limit, case: Case
) -> None:
    setting, path, body, existing = case
    limit(**{setting: existing + 2})
    for number in range(2):
        response = await client.post(path, json=body(number))
        assert response.is_success, response.text
    response = await client.post(path, json=body(2))
    assert response.status_code == 409, response.text
    assert f"There are {existing + 2} " in response.json()["detail"]
    assert response.json()["detail"].endswith(f"(setting LEADVIBE_{setting.upper()}).")


async def test_uploaded_files_of_leads_have_a_limit(client: Caller, neighbour: Caller, limit: Limit) -> None:
    limit(max_lead_import_files=1)
    assert (await preview(client, LEADS)).status_code == 200
    response = await preview(client, LEADS)
    assert (response.status_code, "LEADVIBE_MAX_LEAD_IMPORT_FILES" in response.json()["detail"]) == (409, True)
    assert (await preview(neighbour, LEADS)).status_code == 200


async def test_a_change_that_makes_the_configuration_too_large_is_a_413_and_changes_nothing(
    client: Caller, make: Make, limit: Limit
) -> None:
    rule = await make.rule("signup", 5, attribute_filters=[{"field": "a", "operator": "equals", "value": "x" * 900}])
    limit(max_configuration_bytes=1_000)
    long = {"attribute_filters": [{"field": "a", "operator": "equals", "value": "y" * 901}]}
    responses = [
        await client.post("/rules", json={"event_type": "login", "weight": 1}),
        await client.put(f"/rules/{rule['id']}", json=long),
    ]
    for response in responses:
        assert response.status_code == 413
        assert "LEADVIBE_MAX_CONFIGURATION_BYTES" in response.json()["detail"]
    assert (await client.get("/rules")).json() == [rule]


async def test_a_configuration_that_is_too_large_can_shrink(client: Caller, make: Make, limit: Limit) -> None:
    rule = await make.rule("signup", 5, attribute_filters=[{"field": "a", "operator": "equals", "value": "x" * 900}])
    limit(max_configuration_bytes=100)
    assert (await client.put("/settings/scoring", json={"session_timeout_minutes": 1000})).status_code == 204
    assert (await client.put(f"/rules/{rule['id']}", json={"weight": 6})).status_code == 204
    assert (await client.put(f"/rules/{rule['id']}", json={"attribute_filters": []})).status_code == 204
    assert (await client.delete(f"/rules/{rule['id']}")).status_code == 204
