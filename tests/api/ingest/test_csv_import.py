"""`POST /import`: a CSV of events, imported row by row while it arrives."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from leadvibe.config import Settings
from leadvibe.identity.aliases import Identifier
from leadvibe.ingest import handlers
from leadvibe.ingest.inbox import AcceptedEvent, decode
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

HEADER = "lead_id,event_type,timestamp,metadata\n"


async def send(client: Caller, content: str | bytes, path: str = "/import", **options: Any) -> Any:
    sent = content.encode() if isinstance(content, str) else content
    return await client.post(path, files={"file": ("events.csv", sent, "text/csv")}, **options)


async def waiting(database: TestDatabase) -> list[AcceptedEvent]:
    return [decode(row["body"]) for row in await database.fetch("SELECT body FROM inbox ORDER BY event_id")]


def assert_rejected(response: Any, field: str, *words: str) -> None:
    assert response.status_code == 400, response.text
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert all(word in response.json()["detail"] for word in words), response.json()["detail"]


async def test_every_row_becomes_an_event(client: Caller, database: TestDatabase) -> None:
    metadata = json.dumps({"resource": "112", "amount": 2e4}).replace('"', '""')
    response = await send(
        client, HEADER + f'173688,A_SUBMITTED,2011-10-01T00:38:44.546+02:00,"{metadata}"\nb,other,,\n'
    )
    assert response.status_code == 202
    assert response.json() == {"message": "import queued", "imported": 2, "errors": 0, "error_rows": []}
    assert [replace(event, idempotency_key=None) for event in await waiting(database)] == [
        AcceptedEvent(
            event_type="A_SUBMITTED",
            lead_id="173688",
            aliases=[],
            timestamp=1_317_422_324_546_000,
            metadata=b'{"amount":20000,"resource":"112"}',
            channel=None,
            idempotency_key=None,
        ),
        AcceptedEvent("other", "b", [], None, b"{}", None, None),
    ]


async def test_each_kind_of_alias_has_a_column(client: Caller, database: TestDatabase) -> None:
    await send(client, "event_type,email,phone,cookie,social,external_id\nsignup,A@b.c,,c-1,,x-1\n")
    [event] = await waiting(database)
    assert event.aliases == [
        Identifier("external_id", "x-1", "x-1"),
        Identifier("email", "a@b.c", "A@b.c"),
        Identifier("cookie", "c-1", "c-1"),
    ]


async def test_imported_events_are_scored(client: Caller, make: Make, drain: Callable[[], Awaitable[None]]) -> None:
    await make.rule(event_type="signup", weight=20)
    await send(client, "event_type,lead_id\nsignup,ada\nsignup,ada\n", path="/events/import")
    await drain()
    assert await make.score("ada") == 40


async def test_bad_rows_are_counted_and_named_by_their_line(client: Caller, database: TestDatabase) -> None:
    rows = [
        "ada,signup,2025-08-15T12:00:00Z,",
        "ada,,,",
        ",signup,,",
        "ada,signup,2025-08-15T12:00:00,",
        "ada,signup,,[]",
        "ada,signup,,{",
        "ada,signup,,,more",
        'ada,signup,,"{',
        "ada,signup",
    ]
    response = await send(client, HEADER + "\n".join(rows))
    assert response.status_code == 202
    body = response.json()
    assert (body["imported"], body["errors"]) == (2, 7)
    named = {row["line"]: row["error"].partition(":")[0] for row in body["error_rows"]}
    assert named == {
        3: "event_type",
        4: "lead_id",
        5: "timestamp",
        6: "metadata",
        7: "metadata",
        8: "row",
        9: "has a quote that is not closed",
    }
    assert len(await waiting(database)) == 2


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ('{""n"": NaN}', "must be JSON"),
        ('{""n"": -Infinity}', "must be JSON"),
        ('{""n"": ""\\ud800""}', "must be valid Unicode, without lone surrogates"),
    ],
)
async def test_an_error_says_what_is_wrong_with_metadata(client: Caller, metadata: str, reason: str) -> None:
    body = (await send(client, HEADER + f'ada,signup,,"{metadata}"\n')).json()
    assert body["error_rows"] == [{"line": 2, "error": f"metadata: {reason}"}]


async def test_the_first_100_bad_rows_are_reported_and_all_counted(client: Caller) -> None:
    body = (await send(client, "event_type,lead_id\n" + ",ada\n" * 250)).json()
    assert (body["errors"], len(body["error_rows"])) == (250, 100)


async def test_a_bad_alias_is_named_by_its_column(client: Caller) -> None:
    body = (await send(client, "event_type,phone\nsignup,no digits\n")).json()
    [row] = body["error_rows"]
    assert (row["line"], row["error"].partition(":")[0]) == (2, "phone")


async def test_a_placeholder_beside_a_good_alias_is_left_out_with_a_warning(
    client: Caller, database: TestDatabase
) -> None:
    body = (await send(client, "event_type,email,phone\nsignup,ada@example.com,none\n")).json()
    warning = "phone: 'none' is a placeholder, not an identifier; it was left out"
    assert (body["imported"], body["warnings"]) == (1, [{"line": 2, "warning": warning}])
    [event] = await waiting(database)
    assert [alias.kind for alias in event.aliases] == ["email"]


async def test_many_rows_are_stored_in_several_commits(client: Caller, database: TestDatabase) -> None:
    content = HEADER + "".join(f"lead-{number},signup,,\n" for number in range(5_001))
    assert (await send(client, content)).json()["imported"] == 5_001
    assert await database.fetchval("SELECT count(*) FROM inbox") == 5_001
    assert await database.fetchval("SELECT count(DISTINCT xmin::text) FROM inbox") == 3


async def test_columns_can_have_any_order_and_unknown_columns_are_ignored(
    client: Caller, database: TestDatabase
) -> None:
    await send(client, "\ufeffcolour, Event_Type ,,LEAD_ID,\nred,signup,x,ada,\n")
    assert [(event.event_type, event.lead_id) for event in await waiting(database)] == [("signup", "ada")]


@pytest.mark.parametrize(
    ("content", "field", "words"),
    [
        (b"lead_id,timestamp\nada,\n", "event_type", "column"),
        (b"event_type,lead_id,lead_id\nsignup,a,b\n", "file", "two columns named 'lead_id'"),
        (b"", "file", "empty"),
        (b"\n\n", "file", "empty"),
        ("Fu\xdf,event_type\n".encode("latin-1"), "file", "UTF-8"),
        (b"PK\x03\x04" + b"\x00" * 100, "file", "spreadsheet"),
        (b"\x1f\x8b\x08\x00abc", "file", "compressed"),
        (b'"event_type,lead_id\nsignup,ada\n', "file", "quote"),
    ],
)
async def test_a_file_that_is_not_a_csv_of_events_is_rejected(
    client: Caller, database: TestDatabase, content: bytes, field: str, words: str
) -> None:
    assert_rejected(await send(client, content), field, words)
    assert await waiting(database) == []


async def test_a_file_may_have_a_thousand_columns(client: Caller) -> None:
    columns = [f"c{number}" for number in range(998)]
    row = b"signup,ada" + b"," * 998
    for more, status in (([], 202), (["more"], 400)):
        header = ",".join(["event_type", "lead_id", *columns, *more])
        response = await send(client, header.encode() + b"\n" + row + b"\n")
        assert response.status_code == status, response.text
    assert response.json()["detail"] == "file: has 1,001 columns; at most 1,000 are allowed"


async def test_a_form_without_a_file_is_rejected(client: Caller) -> None:
    assert_rejected(await client.post("/import", files={"other": ("a.csv", b"event_type\n")}), "file", "required")
    assert_rejected(await client.post("/import"), "file", "required")


async def test_a_body_that_is_not_a_form_is_rejected(client: Caller) -> None:
    csv = await client.post("/import", content=b"event_type,lead_id\n", headers={"Content-Type": "text/csv"})
    assert csv.status_code == 415


async def test_a_malformed_form_is_rejected(client: Caller) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    assert_rejected(await client.post("/import", content=b"", headers=headers), "file", "boundary")
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert_rejected(await client.post("/import", content=b"no boundary at all", headers=headers), "file", "malformed")


async def test_other_fields_of_the_form_are_ignored(client: Caller, database: TestDatabase) -> None:
    files = {"note": (None, b"event_type,lead_id\nno,no\n"), "file": ("a.csv", b"event_type,lead_id\nsignup,ada\n")}
    assert (await client.post("/import", files=files)).json()["imported"] == 1
    assert [event.event_type for event in await waiting(database)] == ["signup"]


async def test_skip_triggers_applies_to_every_row(client: Caller, database: TestDatabase) -> None:
    content = "event_type,lead_id\nsignup,{}\n"
    await send(client, content.format("ada"))
    await send(client, content.format("bob"), params={"skip_triggers": "true"})
    await send(client, content.format("cy"), params={"skip_triggers": "false"})
    assert [event.skip_triggers for event in await waiting(database)] == [False, True, False]
    assert_rejected(await send(client, content, params={"skip_triggers": "maybe"}), "skip_triggers")


async def test_the_idempotency_key_is_numbered_by_row(client: Caller, database: TestDatabase) -> None:
    content = "event_type,lead_id,idempotency_key\nsignup,ada,\n,bad,\nsignup,ada,own\nsignup,ada,\n"
    await send(client, content, headers={"Idempotency-Key": "file-1"})
    assert [event.idempotency_key for event in await waiting(database)] == ["file-1/0", "own", "file-1/3"]


async def test_a_viewer_cannot_import(viewer: Caller, anonymous: Caller, basic: Caller) -> None:
    content = "event_type,lead_id\nsignup,ada\n"
    assert (await send(viewer, content)).status_code == 403
    assert (await send(anonymous, content)).status_code == 401
    assert (await send(basic, content)).status_code == 202


def form(content: bytes, end: bytes = b"\r\n--x--\r\n") -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n' + content + end


async def test_a_form_that_ends_early_stores_nothing(client: Caller, database: TestDatabase) -> None:
    content = ("event_type,lead_id\n" + "signup,ada\n" * 2_500).encode()
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post("/import", content=form(content, end=b""), headers=headers)
    assert_rejected(response, "file", "ends without its closing boundary")
    assert await database.fetchval("SELECT count(*) FROM inbox") == 0


async def test_an_upload_whose_client_disconnects_stores_nothing(
    app: Any, client: Caller, database: TestDatabase
) -> None:
    content = ("event_type,lead_id\n" + "signup,ada\n" * 2_500).encode()
    messages = iter([{"type": "http.request", "body": form(content), "more_body": True}, {"type": "http.disconnect"}])
    answers: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def answer(message: Any) -> None:
        answers.append(message)

    headers = {**client.who.headers, "Content-Type": "multipart/form-data; boundary=x"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/import",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, answer)
    assert answers[0]["status"] == 400
    assert await database.fetchval("SELECT count(*) FROM inbox") == 0


async def test_a_lost_database_is_a_503_with_the_number_of_stored_rows(client: Caller, database: TestDatabase) -> None:
    await database.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'stopping' USING ERRCODE = '57P01'; END $$"
    )
    await database.execute(
        "CREATE TRIGGER fail BEFORE INSERT ON inbox FOR EACH ROW"
        " WHEN (convert_from(substr(new.body, 1, 7), 'LATIN1') LIKE '%last%') EXECUTE FUNCTION fail()"
    )
    response = await send(client, "event_type,lead_id\n" + "signup,ada\n" * 3_000 + "last,ada\n")
    assert response.status_code == 503
    assert "2000 rows were imported before" in response.json()["detail"]
    assert await database.fetchval("SELECT count(*) FROM inbox") == 2_000


async def test_a_file_that_is_too_large_is_a_413(client: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "event_type,lead_id\n" + "signup,ada\n" * 3_000
    monkeypatch.setattr(handlers, "settings", lambda: Settings(max_import_bytes=len(content) - 1))
    response = await send(client, content)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (413, "file")


async def test_a_file_larger_than_any_other_body_is_accepted_in_chunks(client: Caller, database: TestDatabase) -> None:
    rows = b"signup,ada," + b"x" * 100_000 + b"\n"

    async def pieces() -> AsyncGenerator[bytes]:
        yield form(b"event_type,lead_id,note\n", end=b"")
        for _ in range(120):
            yield rows
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post("/import", content=pieces(), headers=headers)
    assert (response.status_code, response.json()["imported"]) == (202, 120)


async def events(client: Caller, database: TestDatabase, content: str, **params: Any) -> list[tuple[Any, ...]]:
    response = await send(client, content, params=params)
    assert response.status_code == 202, response.text
    return [(e.event_type, e.lead_id, e.timestamp, e.metadata) for e in await waiting(database)]


AT = 1_755_252_000_000_000
"""2025-08-15T10:00:00Z"""


@pytest.mark.parametrize("column", ["timestamp", "occurred_at", "created_at", "time_stamp"])
async def test_the_time_can_stand_in_columns_of_other_names(
    client: Caller, database: TestDatabase, column: str
) -> None:
    content = f"event_type;lead_id;{column}\nopen;ada;2025-08-15T10:00:00Z\n"
    assert await events(client, database, content) == [("open", "ada", AT, b"{}")]


async def test_columns_are_mapped_constants_set_and_the_rest_kept(client: Caller, database: TestDatabase) -> None:
    content = 'Who,When,Plan,metadata,import_error\nada,2025-08-15 12:00,Pro,"{""a"":1}",old\n'
    options = {"map": ["Who=lead_id", "when=timestamp"], "set": ["event_type=open"], "metadata": "rest"}
    assert await events(client, database, content, **options, timezone="Europe/Berlin") == [
        ("open", "ada", AT, b'{"Plan":"Pro","a":1}')
    ]


async def test_columns_that_are_not_read_are_named(client: Caller) -> None:
    body = (await send(client, "event_type,lead_id,Color,,id\nopen,ada,red,lost,7\n")).json()
    assert body["ignored_columns"] == ["Color"]
    warning = "column 4 has values but no name in the header; it is ignored"
    assert body["warnings"] == [{"line": 1, "warning": warning}]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"map": "when"}, "map"),
        ({"map": "nowhere=timestamp"}, "map"),
        ({"map": "lead_id=color"}, "map"),
        ({"map": ["lead_id=email", "event_type=email"]}, "map"),
        ({"set": "event_type="}, "set"),
        ({"set": "idempotency_key=x"}, "set"),
        ({"metadata": "all"}, "metadata"),
        ({"timezone": "Berlin"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"delimiter": "ab"}, "delimiter"),
    ],
)
async def test_an_option_that_is_not_valid_is_named(client: Caller, params: dict[str, Any], field: str) -> None:
    assert_rejected(await send(client, "event_type,lead_id\nopen,ada\n", params=params), field)


async def test_a_file_without_a_valid_row_is_an_error(client: Caller, database: TestDatabase) -> None:
    response = await send(client, "event_type,lead_id,timestamp\nopen,ada,2025-08-15 12:00\n")
    body = response.json()
    assert (response.status_code, body["imported"], body["errors"]) == (400, 0, 1)
    assert "has no time zone" in body["detail"]
    assert (await send(client, "event_type,lead_id\n,,\n")).status_code == 400
    assert await waiting(database) == []


async def test_a_corrected_file_adds_only_its_new_rows(client: Caller, database: TestDatabase) -> None:
    header = "event_type,lead_id,timestamp\n"
    rows = [f"open,ada,2025-08-15T10:00:{n % 4:02}Z\n" for n in range(10)]
    first = await send(client, header + "".join(rows[:5]) + "open,ada,bad\n" + "".join(rows[6:]))
    assert (first.json()["imported"], first.json()["errors"]) == (9, 1)
    again = await send(client, header + "".join(rows))
    assert (again.json()["imported"], again.json()["repeated"]) == (10, 9)
    assert len(await waiting(database)) == 10


async def test_undated_rows_count_once_per_file(client: Caller, database: TestDatabase) -> None:
    content = "event_type,lead_id\nopen,ada\nopen,ada\n"
    for _ in range(2):
        await send(client, content)
    assert len(await waiting(database)) == 2
    await send(client, content + "open,bob\n")
    assert len(await waiting(database)) == 5
