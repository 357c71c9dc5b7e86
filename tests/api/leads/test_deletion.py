"""The deletion of a lead removes all its data."""

# A row that is missing fails the test.
# pyright: reportOptionalSubscript=false

import asyncio
import json
from collections.abc import Awaitable, Callable
from uuid import uuid4

import msgspec
import pytest

from leadvibe.core.database.transactions import transaction
from leadvibe.core.http.multipart import UploadedFile
from leadvibe.core.jobs.queue import drain_jobs
from leadvibe.core.scope import system_scope
from leadvibe.core.threads import StopSignal
from leadvibe.identity.aliases import Identifier
from leadvibe.ingest.inbox import AcceptedEvent, encode, route_of
from leadvibe.leads.deletion.tasks import EraseTraces, erase_traces
from leadvibe.leads.importing import reading, redaction
from leadvibe.leads.importing.reading import read_leads
from leadvibe.leads.importing.repository import LeadImports
from leadvibe.leads.importing.tasks import FILE_MISSING
from support.callers import Caller
from support.importing import previewed, result, start
from support.make import Make
from support.postgres import TestDatabase
from support.waiting import eventually

Drain = Callable[[], Awaitable[None]]

QUAGGA = "quagga"
"""Part of every identifier and value of the deleted lead."""

MAIL = [{"alias_kind": "email", "raw_value": f"{QUAGGA}@example.com"}]


async def delete(caller: Caller, lead_id: str = "lead-1") -> None:
    response = await caller.delete(f"/lead/{lead_id}")
    assert (response.status_code, response.json()) == (
        200,
        {"message": "Lead deletion initiated", "lead_id": lead_id},
    )


async def status(caller: Caller, lead_id: str = "lead-1") -> str:
    response = await caller.get(f"/leads/{lead_id}/deletion-status")
    assert response.status_code == 200, response.text
    return response.json()["status"]


async def places_of(database: TestDatabase, mark: str) -> list[str]:
    """The columns, of all tables, that contain this text."""
    columns = await database.fetch(
        "SELECT table_name, column_name, data_type FROM information_schema.columns JOIN pg_tables"
        " ON tablename = table_name AND schemaname = table_schema WHERE table_schema = 'public'"
    )
    found: list[str] = []
    for column in columns:
        name, table = column["column_name"], column["table_name"]
        value = f'"{name}"' if column["data_type"] == "bytea" else f"convert_to(\"{name}\"::text, 'UTF8')"
        if await database.fetchval(
            f"SELECT count(*) FROM \"{table}\" WHERE position(convert_to($1, 'UTF8') IN {value}) > 0", mark
        ):
            found.append(f"{table}.{name}")
    return found


async def erase_now(database: TestDatabase) -> None:
    """Run the erasing job before the other queued jobs."""
    payload = await database.fetchval("SELECT payload FROM pgqueuer WHERE entrypoint = 'EraseTraces'")
    await erase_traces(msgspec.json.decode(payload, type=EraseTraces))


async def live_a_full_life(client: Caller, make: Make, drain: Drain, database: TestDatabase) -> None:
    """Create a lead with data in every place where a lead can have data."""
    main, other = f"{QUAGGA}-main", f"{QUAGGA}-other"
    await make.rule("visit", 10)
    await make.lead(main, metadata={"name": QUAGGA})
    for lead_id in (main, other):
        await make.event("visit", lead_id, metadata={"by": QUAGGA}, idempotency_key=f"{QUAGGA}-{lead_id}")
    await make.event("visit", other, aliases=MAIL)
    await make.event("visit", "neighbour-of-it", aliases=MAIL)
    await drain()
    await make.order(lead_id=other, metadata={"by": QUAGGA})
    await client.post(f"/lead/{other}/reset-scores")
    await client.post("/leads/merge", json={"targetLeadId": main, "sourceLeadIds": [other]})
    await client.post(f"/lead/{main}/adjust-score", json={"points": 3, "reason": f"for {QUAGGA}"})
    await client.post(f"/lead/{main}/reset-scores")
    await client.post("/admin/rescore", json={"lead_ids": [main]})
    await drain_jobs()
    await client.post(
        "/ingest/batch",
        json=[{"event_type": "visit", "lead_id": main, QUAGGA: 1}],
        headers={"Idempotency-Key": "a batch"},
    )
    await make.event("visit", other, idempotency_key=f"{QUAGGA}-waiting")
    await make.event("visit", None, aliases=MAIL)
    await make.event("visit", "neighbour-of-it", aliases=MAIL)
    for event in (
        AcceptedEvent("visit", main, [], None, b"{}", None, None),
        AcceptedEvent("visit", None, [Identifier("email", f"{QUAGGA}@example.com", "")], None, b"{}", None, None),
    ):
        await database.execute(
            "INSERT INTO failed_events (unit_id, event_id, route, received_at, error, body)"
            " VALUES ($1, $2, $3, now(), 'broken', $4)",
            *(client.unit_id, uuid4(), route_of(client.unit_id, event), encode(event)),
        )


async def test_nothing_of_a_deleted_lead_is_left_in_any_table(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await live_a_full_life(client, make, drain, database)
    before = await places_of(database, QUAGGA)
    everywhere = {"inbox.body", "failed_events.body", "stream_frames.body", "timeline_entries.data", "orders.metadata"}
    everywhere.add("ingest_requests.answer")
    assert everywhere <= set(before)

    await delete(client, f"{QUAGGA}-main")
    await drain_jobs()

    assert await places_of(database, QUAGGA) == []
    assert [await status(client, f"{QUAGGA}-{name}") for name in ("main", "other")] == ["completed"] * 2


async def test_nothing_of_a_deleted_lead_is_left_in_files_jobs_and_watch_lists(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    """Each of the words occurs only in data of the lead: its id, aliases, fields, and the notes of a watcher."""
    await make.rule("visit", 10)
    await make.lead("aardwolf", metadata={"name": "bongo"})
    aliases = {"email": "Caracal@Example.com", "phone": "+49 30 777 123", "cookie": "dugong"}
    sent = [{"alias_kind": kind, "raw_value": value} for kind, value in aliases.items()]
    await make.event("visit", "aardwolf", aliases=sent, metadata={"path": "/echidna"}, idempotency_key="fossa")
    await drain()
    await client.post("/lead/aardwolf/watch", json={"prediction": "gelada", "prediction_notes": "hoolock"})
    file = b"who,mail,tel\nindri,caracal@example.com ,\njerboa,,+49 (30) 777-123\nkept,kept@example.com,\n"
    for number in range(2):
        preview = (await client.post("/leads/import/preview", files={"file": ("lechwe.csv", file)})).json()
        mapping = {"primary_identifier": {"column": "mail", "kind": "email"}, "field_mappings": {"who": "name"}}
        if number:
            await client.post("/leads/import/start", json={"file_id": preview["file_id"], **mapping})
    await client.post("/admin/rescore", json={"lead_ids": ["aardwolf"]})
    await database.execute(
        "UPDATE jobs SET cursor = $2 WHERE unit_id = $1 AND kind = 'rescore'",
        client.unit_id,
        '["aardwolf", 1, 0]',
    )
    words = (
        "aardwolf",
        "bongo",
        "aracal",
        "30777123",
        "777-123",
        "dugong",
        "echidna",
        "fossa",
        "gelada",
        "hoolock",
        "indri",
        "lechwe",
    )
    hidden = [word for word in words if not await places_of(database, word)]
    assert hidden == ["lechwe"]
    assert {"lead_import_pieces.body", "jobs.parameters", "jobs.cursor"} <= {
        place for word in words for place in await places_of(database, word)
    }

    await delete(client, "aardwolf")
    await drain_jobs()

    assert {word: await places_of(database, word) for word in words} == {word: [] for word in words}
    assert "lead_import_pieces.body" in await places_of(database, "kept@example.com")
    assert await status(client, "aardwolf") == "completed"


async def test_a_job_continues_without_a_lead_that_was_deleted_meanwhile(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.events({"lead_id": "a"}, {"lead_id": "b"}, {"lead_id": "c"})
    await drain()
    await make.rule("page_view", 5)
    job_id = (await client.post("/admin/rescore", json={"lead_ids": ["a", "b", "c"]})).json()["job_id"]
    await database.execute("UPDATE jobs SET cursor = $2 WHERE unit_id = $1", client.unit_id, '["b", 2, 0]')
    await delete(client, "b")
    await erase_now(database)
    job = await database.fetchrow("SELECT parameters::text, cursor FROM jobs WHERE job_id = $1", job_id)
    assert (json.loads(job["parameters"]), json.loads(job["cursor"])) == (
        {"lead_ids": ["a", "c"]},
        ["a", 2, 0],
    )
    await drain_jobs()
    assert (await make.score("a"), await make.score("c")) == (0, 5)


async def test_a_file_whose_header_contains_an_alias_of_the_lead_is_deleted_and_its_imports_fail(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await make.event(aliases=MAIL)
    await drain()
    column = f"{QUAGGA}@Example.com"
    primary = {"column": column, "kind": "email"}
    job_id = await start(client, f"{column},Bob\nada@example.com,Ada\n".encode(), primary_identifier=primary)
    await start(client)
    await delete(client)
    await erase_now(database)
    assert await database.fetchval("SELECT count(*) FROM lead_import_files") == 1
    await drain_jobs()
    job = (await client.get(f"/leads/import/{job_id}")).json()
    assert (job["status"], job["error"]) == ("failed", FILE_MISSING)
    assert await places_of(database, QUAGGA) == []


async def test_imports_of_such_a_file_no_longer_contain_the_alias(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    """Neither a completed import nor a queued one."""
    await make.event(aliases=MAIL)
    await drain()
    column = f"{QUAGGA}@Example.com"
    file, primary = f"{column},Bob\n,Ada\n".encode(), {"column": column, "kind": "email"}
    done = await start(client, file, primary_identifier=primary)
    done_result = await result(client, done)
    assert done_result["errors"] == [{"line": 2, "error": f"{column}: the primary identifier must not be empty"}]
    waiting = await start(client, file, primary_identifier=primary)
    await delete(client)
    await erase_now(database)
    assert not {"jobs.parameters", "jobs.result"} & set(await places_of(database, QUAGGA))
    assert (await client.get(f"/leads/import/{waiting}")).json()["status"] == "failed"
    errors = (await client.get(f"/leads/import/{done}")).json()["result"]["errors"]
    assert errors == [{"line": 2, "error": "the primary identifier must not be empty"}]


async def test_a_deletion_waits_for_files_that_are_being_uploaded(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    waits = (
        "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted)"
    )
    await make.event(aliases=MAIL)
    await drain()
    file = read_leads(
        UploadedFile("leads.csv", "text/csv", f"mail\n{QUAGGA}@example.com\n".encode()), StopSignal(), max_rows=10
    )
    scope = system_scope(client.org_id, client.unit_id)

    async with transaction(scope) as session:
        await LeadImports(session, scope).store("leads.csv", file)
        await delete(client)
        job = asyncio.create_task(drain_jobs())

        async def waits_or_is_done() -> bool:
            return job.done() or await database.fetchval(waits)

        await eventually(waits_or_is_done)
    await job
    assert await places_of(database, QUAGGA) == []
    assert await status(client) == "completed"


async def test_pieces_that_do_not_contain_the_lead_are_not_locked(
    client: Caller, make: Make, monkeypatch: pytest.MonkeyPatch, database: TestDatabase
) -> None:
    monkeypatch.setattr(reading, "RECORDS_PER_PIECE", 1)
    monkeypatch.setattr(redaction, "PIECES_PER_PAGE", 2)
    await make.lead(QUAGGA)
    people = [b"a", b"b", QUAGGA.encode(), b"d", b"e"]
    await previewed(client, b"who\n" + b"\n".join(people))
    uploaded = await database.fetchval("SELECT DISTINCT xmin::text FROM lead_import_pieces")
    await delete(client, QUAGGA)
    await drain_jobs()
    touched = "SELECT array_agg(number) FROM lead_import_pieces WHERE xmin::text <> $1 OR xmax <> 0"
    assert await database.fetchval(touched, uploaded) == [2]
    assert await places_of(database, QUAGGA) == []


async def test_another_leads_event_only_loses_the_shared_alias(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    await live_a_full_life(client, make, drain, database)
    await delete(client, f"{QUAGGA}-main")
    await drain()
    assert len((await client.get("/events/neighbour-of-it", params={"event_type": "visit"})).json()) == 2
    assert (await client.get("/lead/neighbour-of-it/aliases")).json() == []
    assert (await client.get("/lead/neighbour-of-it")).json()["score"] == 20
    assert (await client.get("/leads")).json()["total"] == 1


async def test_a_lead_is_deleted_at_once_and_its_status_shows_the_progress_of_the_job(
    client: Caller, make: Make
) -> None:
    await make.lead()
    await delete(client)
    assert (await client.get("/lead/lead-1")).status_code == 404
    assert await status(client) == "queued"
    await drain_jobs()
    assert await status(client) == "completed"
    assert (await client.delete("/lead/lead-1")).status_code == 404


async def test_unprocessed_events_never_bring_a_deleted_lead_back(client: Caller, make: Make, drain: Drain) -> None:
    await make.event(aliases=MAIL)
    await drain()
    await make.event()
    await make.event(lead_id=None, aliases=MAIL)
    await delete(client)
    await drain()
    assert (await client.get("/leads")).json()["total"] == 0
    assert (await client.get("/events")).json() == []


async def test_a_later_event_creates_a_new_lead(client: Caller, make: Make, drain: Drain) -> None:
    await make.rule("page_view", 5)
    await make.event(aliases=MAIL, idempotency_key="one")
    await drain()
    await delete(client)
    await make.event(idempotency_key="one")
    await drain()
    await drain_jobs()
    assert await make.score() == 5
    assert (await client.get("/lead/lead-1/aliases")).json() == []
    assert len((await client.get("/events/lead-1")).json()) == 1


async def test_a_lead_can_be_deleted_again(client: Caller, make: Make) -> None:
    await make.lead()
    await delete(client)
    await drain_jobs()
    await make.lead()
    await delete(client)
    assert await status(client) == "queued"
    await drain_jobs()
    assert await status(client) == "completed"


async def test_a_merged_lead_is_deleted_with_its_target_and_not_alone(client: Caller, make: Make) -> None:
    await make.lead("t")
    await make.lead("s")
    await client.post("/leads/merge", json={"targetLeadId": "t", "sourceLeadIds": ["s"]})
    assert (await client.delete("/lead/s")).status_code == 409
    await delete(client, "t")
    assert (await client.get("/lead/s")).status_code == 404
    assert await status(client, "s") == "queued"


async def test_a_lead_that_was_never_deleted_has_no_status(client: Caller, make: Make) -> None:
    await make.lead()
    assert (await client.get("/lead/lead-1/deletion-status")).status_code == 404


async def test_only_owners_and_programs_delete_leads(
    client: Caller, basic: Caller, operator: Caller, viewer: Caller, make: Make
) -> None:
    await make.lead()
    await make.lead("lead-2")
    for caller in (operator, viewer):
        assert (await caller.delete("/lead/lead-1")).status_code == 403
    await delete(basic)
    await delete(client, "lead-2")
    assert await status(viewer) == "queued"


async def test_an_unprocessed_event_of_another_lead_survives_although_it_contains_the_deleted_leads_cookie(
    client: Caller, make: Make, drain: Drain
) -> None:
    cookie = {"alias_kind": "cookie", "raw_value": "shared"}
    await make.rule("page_view", 5)
    await make.event(lead_id="living", aliases=MAIL)
    await make.event(aliases=[cookie])
    await drain()
    await make.event(lead_id=None, aliases=[*MAIL, cookie])
    await delete(client)
    await drain()
    await drain_jobs()
    assert await make.score("living") == 10
    assert (await client.get("/leads")).json()["total"] == 1


async def test_aliases_that_only_unprocessed_events_connect_with_the_lead_are_deleted_with_it(
    client: Caller, make: Make, drain: Drain, database: TestDatabase
) -> None:
    cookie = {"alias_kind": "cookie", "raw_value": QUAGGA}
    shared = {"alias_kind": "cookie", "raw_value": "shared"}
    await make.event(lead_id="other", aliases=[{"alias_kind": "phone", "raw_value": "+49 30 1234567"}])
    await make.lead()
    await drain()
    await make.event(aliases=[*MAIL, shared, {"alias_kind": "phone", "raw_value": "+49 30 1234567"}])
    await make.event(lead_id=None, aliases=[*MAIL, cookie])
    await make.event(lead_id=None, aliases=[cookie])
    await make.event(lead_id="other", aliases=[shared])
    await make.event(lead_id=None, aliases=[shared])
    await delete(client)
    await drain()
    await drain_jobs()
    assert [lead["lead_id"] for lead in (await client.get("/leads")).json()["leads"]] == ["other"]
    assert len((await client.get("/events")).json()) == 3
    assert {alias["kind"] for alias in (await client.get("/lead/other/aliases")).json()} == {"phone", "cookie"}
    assert await places_of(database, QUAGGA) == []
