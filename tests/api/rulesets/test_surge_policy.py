"""The surge policy."""

from typing import Any

import pytest

from support.callers import Caller

PATH = "/settings/ou/surge-policy"


def band(min_events: int, max_events: int | None, multiplier: float) -> dict[str, Any]:
    return {"min_events": min_events, "max_events": max_events, "multiplier": multiplier}


STANDARD = {
    "mode": "standard",
    "bands": [band(1, 4, 1.0), band(5, 9, 1.25), band(10, 19, 1.5), band(20, None, 2.0)],
    "idle_reset_seconds": 1800,
    "multiplier_cap": 2.0,
}
GENTLE = {
    "mode": "gentle",
    "bands": [band(1, 4, 1.0), band(5, 9, 1.1), band(10, None, 1.25)],
    "idle_reset_seconds": 1800,
    "multiplier_cap": 1.5,
}
OFF = {"mode": "off", "bands": [band(1, None, 1.0)], "idle_reset_seconds": 1800, "multiplier_cap": 1.0}
OWN = [band(1, 2, 1.0), band(3, None, 3.0)]


async def policy_of(client: Caller) -> dict[str, Any]:
    policy = (await client.get(PATH)).json()
    assert (policy.pop("org_id"), policy.pop("unit_id")) == (client.org_id, client.unit_id)
    return policy


async def set_policy(client: Caller, policy: dict[str, Any]) -> dict[str, Any]:
    response = await client.put(PATH, json=policy)
    assert (response.status_code, response.content) == (204, b""), response.text
    return await policy_of(client)


async def test_the_default_mode_is_standard(client: Caller) -> None:
    assert await policy_of(client) == STANDARD


async def test_a_preset_has_its_own_numbers(client: Caller) -> None:
    for preset in (GENTLE, OFF, STANDARD):
        assert await set_policy(client, {"mode": preset["mode"]}) == preset


async def test_a_preset_ignores_bands_but_accepts_the_other_numbers(client: Caller) -> None:
    sent = {"mode": "gentle", "bands": OWN, "idle_reset_seconds": 60, "multiplier_cap": 1.2}
    expected = {**GENTLE, "idle_reset_seconds": 60, "multiplier_cap": 1.2}
    assert await set_policy(client, sent) == expected
    assert await set_policy(client, {"mode": "off", "bands": []}) == {
        **OFF,
        "idle_reset_seconds": 60,
        "multiplier_cap": 1.2,
    }
    assert (await client.put(PATH, json={"mode": "custom"})).status_code == 400


async def test_an_update_changes_only_the_fields_sent_and_null_restores_the_default(client: Caller) -> None:
    assert await set_policy(client, {"idle_reset_seconds": 60}) == {**STANDARD, "idle_reset_seconds": 60}
    assert await set_policy(client, {"multiplier_cap": 1}) == {
        **STANDARD,
        "idle_reset_seconds": 60,
        "multiplier_cap": 1.0,
    }
    assert await set_policy(client, {"idle_reset_seconds": None, "multiplier_cap": None}) == STANDARD
    assert await set_policy(client, {}) == STANDARD


async def test_the_bands_of_a_custom_policy_are_returned_in_order(client: Caller) -> None:
    custom = {"mode": "custom", "bands": OWN[::-1], "idle_reset_seconds": 60, "multiplier_cap": 3}
    expected = {**custom, "bands": OWN}
    response = await client.put(PATH, json=custom, headers={"Prefer": "return=representation"})
    assert response.status_code == 200
    assert response.json() == {"org_id": client.org_id, "unit_id": client.unit_id, **expected}
    assert await set_policy(client, {"multiplier_cap": 2.5}) == {**expected, "multiplier_cap": 2.5}
    assert await set_policy(client, {"bands": OWN[:1]}) == {**expected, "bands": OWN[:1], "multiplier_cap": 2.5}


async def test_changing_from_custom_to_another_mode_discards_the_custom_numbers(client: Caller) -> None:
    await set_policy(client, {"mode": "custom", "bands": OWN, "idle_reset_seconds": 60, "multiplier_cap": 3})
    assert await set_policy(client, {"mode": "gentle"}) == GENTLE
    assert (await client.put(PATH, json={"mode": "custom"})).status_code == 400


@pytest.mark.parametrize(
    "bands",
    [
        None,
        [],
        [band(2, None, 1.0)],
        [band(1, None, 1.0), band(5, None, 2.0)],
        [band(1, 5, 1.0), band(5, None, 2.0)],
        [band(1, 4, 1.0), band(1, 4, 1.0)],
        [band(1, 4, 1.0), band(5, 4, 1.0)],
    ],
)
async def test_bands_must_start_at_1_and_not_overlap(client: Caller, bands: Any) -> None:
    response = await client.put(PATH, json={"mode": "custom", "bands": bands})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "bands"
    assert await policy_of(client) == STANDARD


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "wild"}, "mode"),
        ({"mode": None}, "mode"),
        ({"idle_reset_seconds": 0}, "idle_reset_seconds"),
        ({"idle_reset_seconds": 2.5}, "idle_reset_seconds"),
        ({"idle_reset_seconds": "60"}, "idle_reset_seconds"),
        ({"multiplier_cap": 0.9}, "multiplier_cap"),
        ({"multiplier_cap": 3.1}, "multiplier_cap"),
        ({"multiplier_cap": True}, "multiplier_cap"),
        ({"multiplier_cap": 1.2345}, "multiplier_cap"),
        ({"bands": {}}, "bands"),
        ({"bands": [band(n, n, 1.0) for n in range(1, 12)]}, "bands"),
        ({"bands": [band(0, None, 1.0)]}, "bands.0.min_events"),
        ({"bands": [band(1, 0, 1.0)]}, "bands.0.max_events"),
        ({"bands": [band(1, None, 0.5)]}, "bands.0.multiplier"),
        ({"bands": [{"min_events": 1}]}, "bands.0.multiplier"),
        ({"bands": [{**band(1, None, 1.0), "points": 5}]}, "bands.0.points"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_the_error_names_the_invalid_field(client: Caller, body: Any, field: str) -> None:
    response = await client.put(PATH, json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field
    assert await policy_of(client) == STANDARD


async def test_each_ou_has_its_own_policy(client: Caller, neighbour: Caller, stranger: Caller) -> None:
    await set_policy(client, {"mode": "off"})
    assert await policy_of(neighbour) == STANDARD
    assert await policy_of(stranger) == STANDARD


async def test_viewers_can_only_read_and_credentials_can_write(viewer: Caller, basic: Caller) -> None:
    assert (await viewer.get(PATH)).status_code == 200
    assert (await viewer.put(PATH, json={"mode": "off"})).status_code == 403
    assert await set_policy(basic, {"mode": "off"}) == OFF


async def test_max_events_can_be_left_out_of_the_last_band(client: Caller) -> None:
    bands = [{"min_events": 3, "multiplier": 2.0}, {"min_events": 1, "max_events": 2, "multiplier": 1.0}]
    assert (await client.put(PATH, json={"mode": "custom", "bands": bands})).status_code == 204
    assert (await client.get(PATH)).json()["bands"] == [band(1, 2, 1.0), band(3, None, 2.0)]
    response = await client.put(PATH, json={"bands": [{"min_events": 1, "multiplier": 1.0}, *bands[:1]]})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "bands")
