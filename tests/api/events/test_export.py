"""`GET /events/export`: a CSV, newest first, read page by page while the client reads."""

# The engine's pool is typed as the base class.
# pyright: reportAttributeAccessIssue=false

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leadvibe.events import export
from leadvibe.events.export import EventExport
from support.callers import Caller
from support.make import Make

Drain = Callable[[], Awaitable[None]]


def at(minute: int) -> str:
    return f"2025-01-01T12:{minute:02}:00Z"


async def rows(client: Caller, **params: Any) -> list[list[str]]:
    """Without the header."""
    response = await client.get("/events/export", params=params)
    assert response.status_code == 200, response.text
    header, *found = csv.reader(io.StringIO(response.text))
    assert header == ["id", "lead_id", "event_type", "timestamp"]
    return found


async def minutes(client: Caller, **params: Any) -> list[int]:
    return [int(row[3][14:16]) for row in await rows(client, **params)]


@pytest.fixture
def page_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pages of two rows. The list has the number of rows of each page that was read."""
    monkeypatch.setattr(export, "PAGE_EVENTS", 2)
    read: list[int] = []
    take = EventExport._page

    async def counted(self: EventExport, *arguments: Any) -> Any:
        found = await take(self, *arguments)
        read.append(len(found))
        return found

    monkeypatch.setattr(EventExport, "_page", counted)
    return read


async def test_an_event_is_a_row(client: Caller, make: Make, drain: Drain) -> None:
    await make.event("Page, viewed", 'the "first"', timestamp=at(1))
    await drain()
    (event,) = (await client.get("/events")).json()
    response = await client.get("/events/export")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="events.csv"'
    assert response.text == (
        f'id,lead_id,event_type,timestamp\n{event["id"]},"the ""first""","Page, viewed",2025-01-01T12:01:00Z\n'
    )


async def test_a_cell_that_would_run_as_a_formula_is_prefixed_unless_raw(
    client: Caller, make: Make, drain: Drain
) -> None:
    names = ["=1+1", "+1", "-5", "@SUM(A1)", "'quoted", "plain", "a=b"]
    for minute, name in enumerate(names):
        await make.event("=cmd()" if name == "plain" else "view", name, timestamp=at(minute))
    await drain()
    cells = [row[1] for row in await rows(client)][::-1]
    assert cells == ["'=1+1", "'+1", "'-5", "'@SUM(A1)", "'quoted", "plain", "a=b"]
    assert "'=cmd()" in [row[2] for row in await rows(client)]
    assert [row[1] for row in await rows(client, raw="true")][::-1] == names
    assert "=cmd()" in [row[2] for row in await rows(client, raw="true")]


async def test_without_events_there_is_the_header(client: Caller) -> None:
    assert (await client.get("/events/export")).text == "id,lead_id,event_type,timestamp\n"


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
async def test_it_goes_through_all_events_page_by_page(
    client: Caller, make: Make, drain: Drain, page_sizes: list[int], number: int
) -> None:
    # Most have the same instant, so a page can end between two of them.
    await make.events(*({"timestamp": at(min(minute, 2)), "lead_id": f"l-{minute}"} for minute in range(number)))
    await drain()
    listed = [event["id"] for event in (await client.get("/events")).json()]
    assert [row[0] for row in await rows(client)] == listed
    assert len(listed) == number
    assert max(page_sizes) <= 2


@pytest.mark.usefixtures("page_sizes")
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"lead_id": "b"}, [4]),
        ({"event_type": "signup"}, [5, 3]),
        ({"channel": "web"}, [2, 1]),
        ({"range": "last_90d"}, []),
        ({"metadata": ["n:1", "n:5"], "logic": "or"}, [5, 1]),
    ],
)
async def test_the_export_has_the_filters_of_the_list(
    client: Caller, make: Make, drain: Drain, params: dict[str, Any], expected: list[int]
) -> None:
    await make.events(
        {"timestamp": at(1), "metadata": {"n": 1, "channel": "web"}},
        {"timestamp": at(2), "metadata": {"n": 2, "channel": "web"}},
        {"timestamp": at(3), "event_type": "signup"},
        {"timestamp": at(4), "lead_id": "b"},
        {"timestamp": at(5), "event_type": "signup", "metadata": {"n": 5}},
    )
    await drain()
    assert await minutes(client, **params) == expected


@pytest.mark.parametrize(
    ("params", "field"), [({"range": "custom"}, "range"), ({"metadata": "x"}, "metadata.0"), ({"after": "x"}, "after")]
)
async def test_an_invalid_query_is_rejected(client: Caller, params: dict[str, Any], field: str) -> None:
    response = await client.get("/events/export", params=params)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


async def test_a_viewer_may_read_them_and_a_stranger_finds_none(
    viewer: Caller, stranger: Caller, make: Make, drain: Drain
) -> None:
    await make.event()
    await drain()
    assert (len(await rows(viewer)), len(await rows(stranger))) == (1, 0)


async def test_the_export_stops_when_the_client_disconnects(
    app: Any, client: Caller, make: Make, drain: Drain, page_sizes: list[int]
) -> None:
    await make.events(*({"timestamp": at(minute)} for minute in range(20)))
    await drain()
    gone = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        if message.get("body", b"").startswith(b"ev_"):
            gone.set()
            await asyncio.Event().wait()  # nobody reads: it can't be sent

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/events/export",
        "raw_path": b"/events/export",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in client.who.headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("leadvibe.test", 80),
    }
    async with asyncio.timeout(20):
        await app(scope, receive, send)
    assert page_sizes == [2]


async def test_no_connection_is_held_while_the_client_reads(
    client: Caller, make: Make, drain: Drain, page_sizes: list[int]
) -> None:
    from leadvibe.core.database.transactions import database
    from leadvibe.core.scope import system_scope
    from leadvibe.events.schemas import EventFilter

    await make.events(*({"timestamp": at(minute)} for minute in range(5)))
    await drain()
    pieces = await EventExport(system_scope(client.org_id, client.unit_id)).chunks(EventFilter())
    assert [database().engine.pool.checkedout() async for _ in pieces] == [0] * 4
