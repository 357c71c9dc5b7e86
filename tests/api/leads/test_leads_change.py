"""Changing a lead, and reading its aliases, profile and account."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leadvibe.leads import repository
from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]


@pytest.fixture
async def lead(make: Make) -> dict[str, Any]:
    return await make.lead("lead-1", metadata={"plan": "pro", "size": 7, "gone": None}, account_id="acct_1")


@pytest.mark.parametrize("path", ["/lead/lead-1", "/leads/lead-1"])
async def test_put_metadata_replaces_all_metadata(client: Caller, lead: dict[str, Any], path: str) -> None:
    response = await client.put(path, json={"metadata": {"a": [1, {"b": None}]}})
    assert response.status_code == 200
    record = response.json()
    assert record["updated_at"] > lead["updated_at"]
    assert record == {**lead, "metadata": {"a": [1, {"b": None}]}, "updated_at": record["updated_at"]}
    assert (await client.get(path)).json()["lead"] == record


async def test_a_put_keeps_missing_fields_and_null_removes(client: Caller, lead: dict[str, Any]) -> None:
    kept = (await client.put("/lead/lead-1", json={"owner_id": client.member_id})).json()
    assert (kept["metadata"], kept["account_id"]) == (lead["metadata"], "acct_1")
    assert kept["owner_id"] == client.member_id
    cleared = (await client.put("/lead/lead-1", json={"account_id": None, "owner_id": None})).json()
    assert (cleared["account_id"], cleared["owner_id"], cleared["owner_name"]) == (None, None, None)


@pytest.mark.usefixtures("lead")
@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"metadata": None}, 400, "metadata"),
        ({"metadata": "x"}, 400, "metadata"),
        ({"metadata": {"a": "x" * 102_400}}, 413, "metadata"),
        ({"owner_id": "om_nobody"}, 400, "owner_id"),
        ({"account_id": 7}, 400, "account_id"),
    ],
)
async def test_an_invalid_change_is_reported(client: Caller, body: dict[str, Any], status: int, field: str) -> None:
    response = await client.put("/lead/lead-1", json=body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (status, field)


@pytest.mark.parametrize("path", ["/lead/lead-1/metadata", "/leads/lead-1/metadata"])
@pytest.mark.usefixtures("lead")
async def test_a_patch_merges_and_null_removes(client: Caller, path: str) -> None:
    response = await client.patch(path, json={"plan": None, "size": 8, "industry": "SaaS", "never": None})
    assert response.status_code == 200
    assert response.json() == {
        "id": "lead-1",
        "lead_id": "lead-1",
        "org_id": client.org_id,
        "unit_id": client.unit_id,
        "metadata": {"size": 8, "gone": None, "industry": "SaaS"},
    }


@pytest.mark.usefixtures("lead")
async def test_patches_do_not_grow_metadata_past_its_limit(client: Caller) -> None:
    half = "x" * 60_000
    assert (await client.patch("/lead/lead-1/metadata", json={"first": half})).status_code == 200
    assert (await client.patch("/lead/lead-1/metadata", json={"second": half})).status_code == 413
    assert "second" not in (await client.get("/lead/lead-1/profile")).json()


@pytest.mark.usefixtures("lead")
@pytest.mark.parametrize("content", ["[]", "7", "null", "{", '{"a": NaN}', '{"a": "\\u0000"}', ""])
async def test_a_patch_is_a_json_object(client: Caller, content: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.patch("/lead/lead-1/metadata", content=content, headers=headers)
    assert response.status_code == 400


@pytest.mark.parametrize("path", ["/lead/lead-1/profile", "/leads/lead-1/profile"])
async def test_the_profile_is_the_metadata(client: Caller, lead: dict[str, Any], path: str) -> None:
    assert (await client.get(path)).json() == lead["metadata"]


@pytest.mark.parametrize("path", ["/lead/lead-1/account", "/leads/lead-1/account"])
async def test_a_leads_account_is_an_empty_object_while_it_has_none(
    client: Caller, lead: dict[str, Any], path: str
) -> None:
    account = {"account_id": "acct_1", "domain": None, "name": None, "metadata": {}}
    assert (await client.get(path)).json() == account == (await client.get("/lead/lead-1")).json()["account"]
    await client.put("/lead/lead-1", json={"account_id": None})
    response = await client.get(path)
    assert (response.status_code, response.json()) == (200, {})


async def test_a_merged_lead_can_be_read_but_not_changed(client: Caller, make: Make) -> None:
    await make.lead("s")
    await make.lead("t")
    await client.post("/leads/merge", json={"targetLeadId": "t", "sourceLeadIds": ["s"]})
    assert (await client.put("/lead/s", json={"metadata": {"a": 1}})).status_code == 409
    assert (await client.patch("/lead/s/metadata", json={"a": 1})).status_code == 409


async def test_aliases_are_listed_normalized_and_as_sent(client: Caller, make: Make, drain: Drain) -> None:
    await make.event(aliases=[{"alias_kind": "email", "raw_value": "Jane@Example.com"}])
    await drain()
    for path in ("/lead/lead-1/aliases", "/leads/lead-1/aliases"):
        (alias,) = (await client.get(path)).json()
        assert alias.pop("id") == alias["alias_id"]
        assert alias.pop("alias_id").startswith("al_")
        assert alias.pop("created_at").endswith("Z")
        assert alias == {
            "kind": "email",
            "alias_kind": "email",
            "value": "jane@example.com",
            "raw_value": "Jane@Example.com",
        }


@pytest.mark.usefixtures("lead")
async def test_a_lead_without_aliases_has_an_empty_list(client: Caller) -> None:
    assert (await client.get("/lead/lead-1/aliases")).json() == []


@pytest.mark.usefixtures("lead")
async def test_a_lead_of_another_ou_can_be_neither_read_nor_changed(
    client: Caller, neighbour: Caller, stranger: Caller
) -> None:
    before = (await client.get("/lead/lead-1")).json()
    for caller in (neighbour, stranger):
        assert (await caller.put("/lead/lead-1", json={"metadata": {}})).status_code == 404
        assert (await caller.patch("/lead/lead-1/metadata", json={"a": 1})).status_code == 404
        assert (await caller.get("/lead/lead-1/aliases")).status_code == 404
        assert (await caller.get("/lead/lead-1/profile")).status_code == 404
        assert (await caller.get("/lead/lead-1/account")).status_code == 404
    assert (await client.get("/lead/lead-1")).json() == before


@pytest.mark.usefixtures("lead")
async def test_a_viewer_cannot_change_a_lead(viewer: Caller) -> None:
    assert (await viewer.put("/lead/lead-1", json={"metadata": {}})).status_code == 403
    assert (await viewer.patch("/lead/lead-1/metadata", json={"a": 1})).status_code == 403
    assert (await viewer.get("/lead/lead-1/profile")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/leads", '{"id": "other", "metadata": %s}'),
        ("PUT", "/lead/lead-1", '{"metadata": %s}'),
        ("PATCH", "/lead/lead-1/metadata", "%s"),
        ("POST", "/orders", '{"order_id": "1", "lead_id": "a", "amount": "1", "currency": "EUR", "metadata": %s}'),
    ],
)
async def test_the_metadata_limit_applies_to_the_bytes_sent(
    client: Caller, make: Make, method: str, path: str, body: str
) -> None:
    await make.lead()
    headers = {"Content-Type": "application/json"}
    padded, short = '{"a": 1' + " " * 102_400 + "}", '{"a": [' + ",".join(["1e9"] * 20_000) + "]}"
    refused = await client.request(method, path, content=body % padded, headers=headers)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (413, "metadata")
    if method != "PATCH":  # here the stored size is limited, too
        assert (await client.request(method, path, content=body % short, headers=headers)).is_success


async def test_a_removed_member_owns_no_lead(client: Caller, operator: Caller, make: Make) -> None:
    await make.lead(owner_id=operator.member_id)
    assert (await client.delete(f"/members/{operator.member_id}")).status_code == 204
    assert (await client.get("/lead/lead-1")).json()["owner_id"] is None


async def test_aliases_are_listed_in_pages_oldest_first(client: Caller, make: Make, drain: Drain) -> None:
    kinds = ("cookie", "email", "external_id", "cookie", "social", "cookie", "email")
    sent = [f"{kind}-{n}@example.com" for n, kind in enumerate(kinds)]
    for kind, value in zip(kinds, sent, strict=True):
        await make.event(aliases=[{"alias_kind": kind, "raw_value": value}])
        await drain()
    pages = [await client.get("/lead/lead-1/aliases", params={"limit": 3, "page": page}) for page in (1, 2, 3, 4)]
    assert [[alias["value"] for alias in page.json()] for page in pages] == [sent[:3], sent[3:6], sent[6:], []]
    assert {page.headers["X-Total-Count"] for page in pages} == {"7"}
    assert 'rel="next"' in pages[1].headers["Link"]
    assert (await client.get("/lead/lead-1")).json()["best_alias"] == "email-1@example.com"
    assert (await client.get("/lead/lead-1/aliases", params={"limit": 501})).status_code == 400


async def test_many_aliases_are_counted_only_if_the_client_wants_to_know(
    client: Caller, make: Make, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "MAX_COUNTED_ALIASES", 4)
    await make.event(aliases=[{"alias_kind": "cookie", "raw_value": f"c{n}"} for n in range(4)])
    await drain()
    assert (await client.get("/lead/lead-1/aliases")).headers["X-Total-Count"] == "4"
    await make.event(aliases=[{"alias_kind": "cookie", "raw_value": f"d{n}"} for n in range(3)])
    await drain()
    path, values = "/lead/lead-1/aliases?limit=2", list[str]()
    while path:
        page = await client.get(path)
        assert "X-Total-Count" not in page.headers
        values += [alias["value"] for alias in page.json()]
        links = {link.partition("; rel=")[2]: link[1 : link.index(">")] for link in page.headers["Link"].split(", ")}
        assert '"last"' not in links
        path = links.get('"next"', "")
    assert values == ["c0", "c1", "c2", "c3", "d0", "d1", "d2"]
    exact = await client.get("/lead/lead-1/aliases", headers={"Prefer": "count=exact"})
    assert (exact.headers["X-Total-Count"], len(exact.json())) == ("7", 7)
