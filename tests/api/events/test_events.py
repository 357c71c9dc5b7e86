"""Lists of processed events: newest first, with filters and pages."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from leadvibe.events import repository
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]


def at(minute: int) -> str:
    return f"2025-01-01T12:{minute:02}:00Z"


async def listed(client: Caller, path: str = "/events", **params: Any) -> list[str]:
    """The `n` of each event's metadata."""
    response = await client.get(path, params=params or None)
    assert response.status_code == 200, response.text
    return [event["metadata"]["n"] for event in response.json()]


@pytest.fixture
async def four(make: Make, drain: Drain) -> None:
    await make.events(
        {"timestamp": at(1), "metadata": {"n": "1", "campaign": "fall", "channel": "Web"}},
        {
            "timestamp": at(4),
            "metadata": {"n": "4", "campaign": "spring", "paid": True, "deep": {"a": [1, None]}, "nothing": None},
            "lead_id": "lead-2",
        },
        {"timestamp": at(2), "metadata": {"n": "2", "campaign": "fall", "score": 7, "a:b": "c"}},
        {"timestamp": at(3), "metadata": {"n": "3", "url": "https://x.example/?a=b:c"}, "event_type": "signup"},
    )
    await drain()


@pytest.fixture(params=[0, 2, repository.MAX_SCANNED_EVENTS], ids=lambda events: f"scan of {events}")
def scan(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are found both by a scan of the newest events and by the index on keys."""
    monkeypatch.setattr(repository, "MAX_SCANNED_EVENTS", request.param)


async def test_an_event_shows_whose_it_is_and_when_it_happened(client: Caller, make: Make, drain: Drain) -> None:
    await make.event("page_view", timestamp=at(1), metadata={"path": "/pricing", "channel": "Web"})
    await drain()
    (event,) = (await client.get("/events")).json()
    assert event.pop("received_at") > event["timestamp"]
    assert event.pop("id") == event["event_id"]
    assert event.pop("event_id").startswith("ev_")
    assert event == {
        "org_id": client.org_id,
        "unit_id": client.unit_id,
        "lead_id": "lead-1",
        "event_type": "page_view",
        "timestamp": at(1),
        "created_at": at(1),
        "channel": "web",
        "metadata": {"path": "/pricing", "channel": "Web"},
        "suppression_reason": None,
        "original_lead_id": None,
    }


@pytest.mark.usefixtures("four", "scan")
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["4", "3", "2", "1"]),
        ({"event_type": "signup"}, ["3"]),
        ({"lead_id": "lead-2"}, ["4"]),
        ({"lead_id": "unknown"}, []),
        ({"channel": "WEB"}, ["1"]),
        ({"channel": "all"}, ["4", "3", "2", "1"]),
        ({"range": "last_90d"}, []),
        ({"range": "all"}, ["4", "3", "2", "1"]),
        ({"metadata": "campaign:fall"}, ["2", "1"]),
        ({"metadata": ["campaign:fall", "n:1"]}, ["1"]),
        ({"metadata": ["campaign:fall", "n:4"]}, []),
        ({"metadata": ["campaign:fall", "n:4"], "logic": "or"}, ["4", "2", "1"]),
        ({"metadata": "paid:true"}, ["4"]),
        ({"metadata": "score:7"}, ["2"]),
        ({"metadata": "campaign:"}, []),
        ({"metadata": ["campaign:fall", "paid:true"], "logic": "or", "event_type": "page_view"}, ["4", "2", "1"]),
        ({"metadata": ["campaign:fall", "url:none"], "logic": "or", "channel": "web"}, ["1"]),
        ({"metadata": "campaign:fall", "lead_id": "lead-1"}, ["2", "1"]),
        ({"metadata": "campaign:fall", "lead_id": "lead-2"}, []),
        ({"metadata": 'deep:{"a": [1, null]}'}, ["4"]),
        ({"metadata": "nothing:null"}, []),
        ({"metadata": "url:https://x.example/?a=b:c"}, ["3"]),
    ],
)
async def test_filters_and_the_order_newest_first(client: Caller, params: dict[str, Any], expected: list[str]) -> None:
    assert await listed(client, **params) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("page", 0),
        ("limit", 501),
        ("range", "custom"),
        ("logic", "xor"),
        ("after", "yesterday"),
        ("after", "99999999999999999999_00000000000000000000000000000000"),
        ("metadata", "campaign"),
        ("metadata", ":fall"),
        ("metadata", "a:\x00"),
        ("lead_id", "a\x00b"),
    ],
)
async def test_an_invalid_filter_is_reported_by_its_name(client: Caller, field: str, value: Any) -> None:
    response = await client.get("/events", params={field: value})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"].partition(".")[0] == field


async def followed(client: Caller, url: str) -> list[list[str]]:
    pages: list[list[str]] = []
    while url:
        response = await client.get(url)
        pages.append([event["metadata"]["n"] for event in response.json()])
        url = response.links.get("next", {}).get("url", "")
    return pages


@pytest.mark.usefixtures("four", "scan")
@pytest.mark.parametrize(
    ("url", "pages"),
    [
        ("/events?limit=3", [["4", "3", "2"], ["1"]]),
        ("/events?limit=2", [["4", "3"], ["2", "1"]]),
        ("/events?limit=1&metadata=campaign:fall&metadata=n:4&logic=or", [["4"], ["2"], ["1"]]),
        ("/events?limit=1&page=2&metadata=campaign:fall", [["1"]]),
        ("/events?limit=1&metadata=campaign:fall", [["2"], ["1"]]),
        ("/events/lead-1?limit=2", [["3", "2"], ["1"]]),
        ("/events?limit=2&page=2", [["2", "1"]]),
        ("/events?limit=2&page=9", [[]]),
    ],
)
async def test_links_lead_through_all_pages(client: Caller, url: str, pages: list[list[str]]) -> None:
    assert await followed(client, url) == pages


EXACT = {"Prefer": "count=exact"}


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(("few", "headers", "total"), [(4, {}, "2"), (3, {}, None), (3, EXACT, "2")])
async def test_a_filtered_total_is_counted_for_few_events_or_on_request(
    client: Caller, monkeypatch: pytest.MonkeyPatch, few: int, headers: dict[str, str], total: str | None
) -> None:
    monkeypatch.setattr(repository, "MAX_COUNTED_EVENTS", few)
    response = await client.get("/events?limit=1&metadata=campaign:fall", headers=headers)
    assert response.headers.get("X-Total-Count") == total
    assert ("last" in response.links, "next" in response.links) == (total is not None, True)


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("url", "total"), [("/events", "4"), ("/events?event_type=page_view", "3"), ("/events?lead_id=lead-2", "1")]
)
async def test_a_total_that_has_a_counter_is_always_returned(
    client: Caller, monkeypatch: pytest.MonkeyPatch, url: str, total: str
) -> None:
    monkeypatch.setattr(repository, "MAX_COUNTED_EVENTS", 0)
    assert (await client.get(url)).headers["X-Total-Count"] == total


async def test_links_of_a_lead_with_an_odd_id_can_be_followed(client: Caller, make: Make, drain: Drain) -> None:
    await make.events(*({"lead_id": "ü?a=b #1", "timestamp": at(n), "metadata": {"n": str(n)}} for n in (1, 2)))
    await drain()
    assert await followed(client, f"/events/{quote('ü?a=b #1', safe='')}?limit=1") == [["2"], ["1"]]


@pytest.mark.usefixtures("four")
async def test_a_new_event_does_not_shift_the_next_page(client: Caller, make: Make, drain: Drain) -> None:
    first = await client.get("/events?limit=2")
    await make.event(timestamp=at(9), metadata={"n": "9"})
    await drain()
    second = await client.get(first.links["next"]["url"])
    assert [event["metadata"]["n"] for event in second.json()] == ["2", "1"]
    assert second.headers["X-Total-Count"] == "5"
    assert await listed(client, second.links["prev"]["url"]) == ["9", "4"]


@pytest.mark.usefixtures("four")
async def test_a_lead_lists_its_own_events(client: Caller) -> None:
    assert await listed(client, "/events/lead-1") == ["3", "2", "1"]
    assert await listed(client, "/events/lead-1", event_type="signup") == ["3"]
    assert (await client.get("/events/unknown")).status_code == 404


@pytest.mark.usefixtures("four")
async def test_each_unit_sees_its_own_events(neighbour: Caller, stranger: Caller) -> None:
    for caller in (neighbour, stranger):
        assert await listed(caller) == []
        assert (await caller.get("/events/lead-1")).status_code == 404
        assert (await caller.get("/event-types")).json() == []


@pytest.mark.usefixtures("four")
async def test_event_types_are_listed_by_name_without_hidden_ones(client: Caller, database: TestDatabase) -> None:
    assert (await client.get("/event-types")).json() == ["page_view", "signup"]
    await database.execute("UPDATE event_types SET hidden = true WHERE event_type = 'signup'")
    assert (await client.get("/event-types")).json() == ["page_view"]


@pytest.mark.usefixtures("four")
async def test_an_event_type_lists_the_keys_of_its_metadata(client: Caller, neighbour: Caller) -> None:
    response = await client.get("/event-types/page_view/properties")
    assert response.json() == {
        "event_type": "page_view",
        "properties": ["a:b", "campaign", "channel", "deep", "n", "nothing", "paid", "score"],
    }
    assert (await client.get("/event-types/unknown/properties")).status_code == 404
    assert (await neighbour.get("/event-types/page_view/properties")).status_code == 404


@pytest.mark.parametrize("event_type", ["Page View", "a/b", "a/properties", "100%", "ü?"])
async def test_an_event_type_can_have_any_name(client: Caller, make: Make, drain: Drain, event_type: str) -> None:
    await make.event(event_type, metadata={"key": 1})
    await drain()
    response = await client.get(f"/event-types/{quote(event_type, safe='')}/properties")
    assert response.json() == {"event_type": event_type, "properties": ["key"]}


async def test_every_way_in_reads_the_channel_from_channel_or_source(client: Caller, make: Make, drain: Drain) -> None:
    sent = {"event_type": "page_view", "lead_id": "ada"}
    lines = [json.dumps({**sent, "metadata": {"n": n, "source": "Slack"}}) for n in ("line", "last line")]
    await make.event(lead_id="ada", metadata={"n": "one", "source": "Webinar"})
    await make.events({**sent, "metadata": {"n": "batch", "channel": 7, "source": "CRM"}})
    ndjson = {"Content-Type": "application/x-ndjson"}
    (await client.post("/ingest/batch", content="\n".join(lines), headers=ndjson)).raise_for_status()
    await import_csv(client, 'event_type,lead_id,metadata\npage_view,ada,"{""n"":""csv"",""source"":""Phone""}"\n')
    await import_csv(client, "event_type,lead_id,n,source\npage_view,ada,rest,Fair\n", metadata="rest")
    await drain()
    events = (await client.get("/events/ada")).json()
    assert {event["metadata"]["n"]: event["channel"] for event in events} == {
        "one": "webinar",
        "batch": "crm",
        "line": "slack",
        "last line": "slack",
        "csv": "phone",
        "rest": "fair",
    }
    assert (await client.get("/events", params={"channel": "Fair"})).json()[0]["metadata"]["source"] == "Fair"


async def import_csv(client: Caller, text: str, **parameters: str) -> None:
    files = {"file": ("events.csv", text, "text/csv")}
    (await client.post("/import", files=files, params=parameters)).raise_for_status()


async def test_channels_are_those_of_the_events(client: Caller, make: Make, drain: Drain, neighbour: Caller) -> None:
    assert (await client.get("/channels")).json() == []
    await make.events(*({"metadata": {"channel": channel}} for channel in ("Web", "email", " WEB ", "", 7)), {})
    await drain()
    assert (await client.get("/channels")).json() == ["email", "web"]
    assert (await neighbour.get("/channels")).json() == []


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("query", ["lead_id=", "event_type="])
async def test_a_filter_that_is_sent_empty_finds_and_counts_nothing(client: Caller, query: str) -> None:
    response = await client.get(f"/events?{query}")
    assert (response.json(), response.headers["X-Total-Count"]) == ([], "0")


async def test_an_event_type_is_trimmed_as_it_was_when_it_came(client: Caller, make: Make, drain: Drain) -> None:
    await make.event(" trim ")
    await drain()
    assert len((await client.get("/events", params={"event_type": " trim  "})).json()) == 1


@pytest.mark.parametrize("event_type", ["score_reset", "lead_merged", "alias_conflict"])
async def test_reserved_event_types_are_rejected(client: Caller, event_type: str) -> None:
    response = await client.post("/ingest", json={"event_type": event_type, "lead_id": "lead-1"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "event_type")
