"""Inorganic filters."""

from typing import Any

import pytest

from support.callers import Caller
from support.make import Make


async def filter_of(client: Caller, filter_id: str) -> dict[str, Any]:
    return (await client.get(f"/filters/{filter_id}")).json()


async def test_a_new_filter_is_returned_with_all_fields(client: Caller) -> None:
    body = {"event_type": " email_open ", "count_threshold": 10, "time_window_ms": 60_000}
    response = await client.post("/filters", json=body)
    assert response.status_code == 201
    made = response.json()
    assert made["filter_id"].startswith("fl_")
    assert made == {
        "id": made["filter_id"],
        "filter_id": made["filter_id"],
        "org_id": client.org_id,
        "unit_id": client.unit_id,
        "event_type": "email_open",
        "count_threshold": 10,
        "time_window_ms": 60_000,
        "group_events": False,
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
        "created_by": client.who.member_id,
        "updated_by": client.who.member_id,
    }
    assert (await client.get("/filters")).json() == [made]


async def test_a_filter_can_be_read_by_its_id(viewer: Caller, neighbour: Caller, stranger: Caller, make: Make) -> None:
    made = await make.filter()
    response = await viewer.get(f"/filters/{made['id']}")
    assert (response.status_code, response.json()) == (200, made)
    for other in (neighbour, stranger):
        assert (await other.get(f"/filters/{made['id']}")).status_code == 404
    assert (await viewer.get("/filters/fl_unknown")).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"event_type": ""}, "event_type"),
        ({"event_type": "a\x00"}, "event_type"),
        ({"event_type": None}, "event_type"),
        ({"count_threshold": 0}, "count_threshold"),
        ({"count_threshold": 1001}, "count_threshold"),
        ({"count_threshold": 2.5}, "count_threshold"),
        ({"count_threshold": "3"}, "count_threshold"),
        ({"count_threshold": None}, "count_threshold"),
        ({"time_window_ms": 0}, "time_window_ms"),
        ({"time_window_ms": 10**13}, "time_window_ms"),
        ({"time_window_ms": True}, "time_window_ms"),
        ({"group_events": "yes"}, "group_events"),
        ({"group_events": None}, "group_events"),
        ({"criteria": {"min_score": 5}}, "criteria"),
    ],
)
async def test_the_error_names_the_invalid_field(client: Caller, make: Make, body: Any, field: str) -> None:
    valid = {"event_type": "email_open", "count_threshold": 10, "time_window_ms": 60_000}
    response = await client.post("/filters", json={**valid, **body})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field
    made = await make.filter()
    assert (await client.put(f"/filters/{made['id']}", json=body)).status_code == 400
    assert await filter_of(client, made["id"]) == made


@pytest.mark.parametrize("missing", ["event_type", "count_threshold", "time_window_ms"])
async def test_a_filter_requires_an_event_type_and_its_numbers(client: Caller, missing: str) -> None:
    body = {"event_type": "email_open", "count_threshold": 10, "time_window_ms": 60_000}
    del body[missing]
    response = await client.post("/filters", json=body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [missing]


async def test_an_update_changes_only_the_fields_sent(client: Caller, make: Make) -> None:
    made = await make.filter()
    assert (await client.put(f"/filters/{made['id']}", json={"group_events": True})).status_code == 204
    changed = await filter_of(client, made["id"])
    assert changed == {**made, "group_events": True, "updated_at": changed["updated_at"]}
    response = await client.put(
        f"/filters/{made['id']}", json={"count_threshold": 1000}, headers={"Prefer": "return=representation"}
    )
    assert (response.status_code, response.json()["count_threshold"]) == (200, 1000)


async def test_a_deleted_filter_no_longer_exists(client: Caller, make: Make) -> None:
    made = await make.filter()
    assert (await client.delete(f"/filters/{made['id']}")).status_code == 204
    assert (await client.get("/filters")).json() == []
    assert (await client.delete(f"/filters/{made['id']}")).status_code == 404
    assert (await client.put(f"/filters/{made['id']}", json={"count_threshold": 1})).status_code == 404


async def test_a_filter_of_another_ou_is_404(client: Caller, neighbour: Caller, stranger: Caller, make: Make) -> None:
    made = await make.filter()
    for other in (neighbour, stranger):
        assert (await other.put(f"/filters/{made['id']}", json={"count_threshold": 1})).status_code == 404
        assert (await other.delete(f"/filters/{made['id']}")).status_code == 404
        assert (await other.get("/filters")).json() == []
    assert await filter_of(client, made["id"]) == made


async def test_viewers_can_only_read_and_credentials_can_write(viewer: Caller, basic: Caller, make: Make) -> None:
    made = await make.by(basic).filter()
    body = {"event_type": "email_open", "count_threshold": 10, "time_window_ms": 60_000}
    assert (await viewer.get("/filters")).json() == [made]
    assert (await viewer.post("/filters", json=body)).status_code == 403
    assert (await viewer.put(f"/filters/{made['id']}", json={"count_threshold": 1})).status_code == 403
    assert (await viewer.delete(f"/filters/{made['id']}")).status_code == 403
