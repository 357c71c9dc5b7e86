"""Scoring settings."""

from typing import Any

import pytest

from support.callers import Caller

DEFAULTS = {"allow_negative_scores": False, "abm_enabled": False, "session_timeout_minutes": 30}


async def settings_of(client: Caller) -> dict[str, Any]:
    return (await client.get("/settings/scoring")).json()


async def test_the_settings_have_defaults(client: Caller) -> None:
    assert await settings_of(client) == DEFAULTS


async def test_an_update_changes_only_the_fields_sent(client: Caller) -> None:
    response = await client.put("/settings/scoring", json={"abm_enabled": True})
    assert (response.status_code, response.content) == (204, b"")
    assert await settings_of(client) == {**DEFAULTS, "abm_enabled": True}
    response = await client.put(
        "/settings/scoring", json={"session_timeout_minutes": 1440}, headers={"Prefer": "return=representation"}
    )
    assert response.status_code == 200
    assert response.json() == {**DEFAULTS, "abm_enabled": True, "session_timeout_minutes": 1440}


async def test_toggles_apply_to_the_organization_and_the_timeout_to_the_ou(
    client: Caller, neighbour: Caller, stranger: Caller
) -> None:
    everything = {"allow_negative_scores": True, "abm_enabled": True, "session_timeout_minutes": 5}
    assert (await client.put("/settings/scoring", json=everything)).status_code == 204
    assert await settings_of(client) == everything
    assert await settings_of(neighbour) == {**everything, "session_timeout_minutes": 30}
    assert await settings_of(stranger) == DEFAULTS


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"session_timeout_minutes": 0}, "session_timeout_minutes"),
        ({"session_timeout_minutes": 1441}, "session_timeout_minutes"),
        ({"session_timeout_minutes": "30"}, "session_timeout_minutes"),
        ({"session_timeout_minutes": 2.5}, "session_timeout_minutes"),
        ({"session_timeout_minutes": True}, "session_timeout_minutes"),
        ({"session_timeout_minutes": None}, "session_timeout_minutes"),
        ({"allow_negative_scores": "yes"}, "allow_negative_scores"),
        ({"allow_negative_scores": None}, "allow_negative_scores"),
        ({"abm_enabled": 1}, "abm_enabled"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_the_error_names_the_invalid_field(client: Caller, body: Any, field: str) -> None:
    response = await client.put("/settings/scoring", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field
    assert await settings_of(client) == DEFAULTS


async def test_an_owner_can_set_the_timeout_but_no_toggle(neighbour: Caller) -> None:
    assert (await neighbour.put("/settings/scoring", json={"session_timeout_minutes": 10})).status_code == 204
    for toggle in ("allow_negative_scores", "abm_enabled"):
        both = {"session_timeout_minutes": 20, toggle: True}
        assert (await neighbour.put("/settings/scoring", json=both)).status_code == 403
    assert await settings_of(neighbour) == {**DEFAULTS, "session_timeout_minutes": 10}


async def test_others_can_only_read(viewer: Caller, operator: Caller, basic: Caller) -> None:
    for caller in (viewer, operator, basic):
        assert await settings_of(caller) == DEFAULTS
        assert (await caller.put("/settings/scoring", json={"session_timeout_minutes": 10})).status_code == 403
