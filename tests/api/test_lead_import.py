"""Leads from a CSV: previewed, then imported by a job."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from leadvibe.core.job_progress import Progress
from leadvibe.core.jobs import drain_jobs
from leadvibe.core.scope import system_scope
from leadvibe.leads.importing import reading, tasks
from leadvibe.leads.importing.mapping import ImportLeads
from leadvibe.leads.importing.rows import ERRORS_SHOWN, Outcome
from support.callers import Caller
from support.make import Make
from support.postgres import TestDatabase

Drain = Callable[[], Awaitable[None]]

LEADS = b"""Email,Phone,CRM Id,Company
ada@example.com,+44 20 1234,c-1,Analytical
Grace@Example.com,,c-2,Navy
"""
BY_MAIL = {"primary_identifier": {"column": "Email", "kind": "email"}}
WHOLE = BY_MAIL | {
    "field_mappings": {"Company": "company"},
    "alias_mappings": {"Phone": "phone", "CRM Id": "external_id"},
}


async def preview(caller: Caller, content: bytes, kind: str = "text/csv", name: str = "leads.csv") -> Any:
    return await caller.post("/leads/import/preview", files={"file": (name, content, kind)})


async def previewed(caller: Caller, content: bytes = LEADS) -> str:
    response = await preview(caller, content)
    assert response.status_code == 200, response.text
    return response.json()["file_id"]


async def start(caller: Caller, content: bytes = LEADS, **mapping: Any) -> str:
    body = {"file_id": await previewed(caller, content), **(mapping or WHOLE)}
    response = await caller.post("/leads/import/start", json=body)
    assert response.status_code == 202, response.text
    return response.json()["job_id"]


async def result(caller: Caller, job_id: str) -> dict[str, Any]:
    await drain_jobs()
    job = (await caller.get(f"/leads/import/{job_id}")).json()
    assert job["status"] == "completed", job
    return job["result"]


async def imported(caller: Caller, content: bytes = LEADS, **mapping: Any) -> dict[str, Any]:
    return await result(caller, await start(caller, content, **mapping))


async def lead_of(caller: Caller, alias: str) -> dict[str, Any]:
    """The lead that has an alias like this."""
    (found,) = (await caller.get("/leads/search", params={"q": alias})).json()
    return (await caller.get(f"/lead/{found['lead_id']}")).json()


async def aliases_of(caller: Caller, lead_id: str) -> set[tuple[str, str]]:
    return {(a["kind"], a["value"]) for a in (await caller.get(f"/lead/{lead_id}/aliases")).json()}


def counts(told: dict[str, Any]) -> tuple[int, int, int, int]:
    return told["processed"], told["created"], told["updated"], told["failed"]


# The preview


async def test_a_preview_tells_what_is_in_a_file(client: Caller) -> None:
    response = await preview(client, b"\xef\xbb\xbf" + LEADS + b"x@y.zz,,,\n" * 6)
    assert response.status_code == 200
    told = response.json()
    assert told.pop("file_id").startswith("preview_")
    assert told.pop("expires_at").endswith("Z")
    assert told == {
        "file_name": "leads.csv",
        "headers": ["Email", "Phone", "CRM Id", "Company"],
        "sample_rows": [
            ["ada@example.com", "+44 20 1234", "c-1", "Analytical"],
            ["Grace@Example.com", "", "c-2", "Navy"],
            *[["x@y.zz", "", "", ""]] * 3,
        ],
        "row_count": 8,
        "auto_detected_identifiers": {
            "email_columns": ["Email"],
            "phone_columns": ["Phone"],
            "external_id_columns": ["CRM Id"],
            "cookie_columns": [],
            "social_columns": [],
        },
    }


async def test_identifiers_are_known_by_what_is_in_a_column_too(client: Caller) -> None:
    content = b"""contact,Mail opened,how,where,profileUrl,visitorId,date,companyId
a@b.cc,yes,+49 30 123456,x,https://www.linkedin.com/in/ada,v1,2024-01-02,7
c@d.ee,no,(030) 123-456,y,https://linkedin.com/in/bob,v2,2024-01-03,8
"""
    assert (await preview(client, content)).json()["auto_detected_identifiers"] == {
        "email_columns": ["contact"],
        "phone_columns": ["how"],
        "external_id_columns": [],
        "cookie_columns": ["visitorId"],
        "social_columns": ["profileUrl"],
    }


async def test_a_file_may_hold_a_header_alone(client: Caller) -> None:
    told = (await preview(client, b"email_address,telephone")).json()
    assert (told["row_count"], told["sample_rows"]) == (0, [])
    found = told["auto_detected_identifiers"]
    assert (found["email_columns"], found["phone_columns"]) == (["email_address"], ["telephone"])
    assert counts(await imported(client, b"email\n", primary_identifier={"column": "email", "kind": "email"})) == (
        *(0, 0, 0, 0),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: a header row is expected"),
        (b"\n\n", "is empty: a header row is expected"),
        (b"a,b,a\n1,2,3\n", "the header names the column 'a' twice"),
        (b"a,,b\n", "the header names nothing for column 2"),
        (b'a,"b\nc\n', "the header has a quote that is not closed"),
        (b"a,b\n1,2\n3,\xe4\n", "line 3 is not UTF-8"),
        (b'a,b\n"1\n\xff",2\n', "line 3 is not UTF-8"),
        ("a,b\n".encode("utf-16"), "is not UTF-8 but UTF-16: line 1 begins with its mark"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused(client: Caller, content: bytes, message: str) -> None:
    response = await preview(client, content)
    assert (response.status_code, response.json()["errors"]) == (400, [{"field": "file", "message": message}])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04 an .xlsx", "text/csv"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1 an .xls", "text/csv"),
        (b"\x89PNG\r\n", "text/csv"),
        (b"\x1f\x8b\x08", "text/csv"),
        (b"a,b\n\x00\x01", "text/csv"),
        (b'{"email": "a@b.cc"}', "application/json"),
    ],
)
async def test_what_is_no_csv_is_known_by_its_bytes_or_its_type(client: Caller, content: bytes, kind: str) -> None:
    assert (await preview(client, content, kind)).status_code == 415


@pytest.mark.parametrize("kind", ["text/csv; charset=utf-8", "application/vnd.ms-excel", "text/plain"])
async def test_a_csv_may_be_called_what_browsers_call_it(client: Caller, kind: str) -> None:
    assert (await preview(client, LEADS, kind)).status_code == 200


async def test_a_request_without_a_file_is_refused(client: Caller) -> None:
    for request in ({"files": {"other": ("x.csv", b"a")}}, {}):
        response = await client.post("/leads/import/preview", **request)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "file")
    assert (await client.post("/leads/import/preview", json={})).status_code == 415


async def test_ten_megabytes_are_taken_and_one_byte_more_is_not(client: Caller, database: TestDatabase) -> None:
    limit = 10 * 1024 * 1024
    row = b"a@b.cc," + b"x" * 1000 + b"\n"
    content = b"email,text\n" + row * (limit // len(row))
    content += b"y" * (limit - len(content))
    assert (await preview(client, content)).json()["row_count"] == limit // len(row) + 1
    response = await preview(client, content + b"y")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (413, "file")


@pytest.mark.parametrize("field", ["file", "other"])
async def test_what_is_too_large_is_not_read_to_its_end(client: Caller, field: str) -> None:
    boundary = b"--b\r\nContent-Disposition: form-data; name=%b; filename=x.csv\r\n\r\n" % field.encode()
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        yield boundary
        while sent < 64:
            sent += 1
            yield b"a" * 1024 * 1024

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = await client.post("/leads/import/preview", content=endless(), headers=headers)
    assert response.status_code == 413
    assert sent < 14


# Starting


async def test_a_started_import_is_a_job(client: Caller, viewer: Caller) -> None:
    job_id = await start(client)
    job = (await viewer.get(f"/leads/import/{job_id}")).json()
    assert job == {
        "job_id": job_id,
        "kind": "lead_import",
        "status": "queued",
        "progress": {"done": 0, "total": 2},
        "result": {"processed": 0, "created": 0, "updated": 0, "failed": 0, "errors": []},
        "error": None,
        "created_at": job["created_at"],
        "updated_at": job["updated_at"],
    }
    assert (await client.get(f"/jobs/{job_id}")).json() == job
    await drain_jobs()
    job = (await client.get(f"/leads/import/{job_id}")).json()
    assert (job["status"], job["progress"]) == ("completed", {"done": 2, "total": 2})
    assert (await client.get(f"/jobs/{job_id}")).json() == job


@pytest.mark.parametrize(
    ("mapping", "fields"),
    [
        ({}, {"primary_identifier"}),
        ({"primary_identifier": {"column": "Mail", "kind": "email"}}, {"primary_identifier.column"}),
        ({"primary_identifier": {"column": "Email", "kind": "mail"}}, {"primary_identifier.kind"}),
        ({"primary_identifier": {"column": "Email"}}, {"primary_identifier.kind"}),
        (BY_MAIL | {"field_mappings": {"Firm": "company"}}, {"field_mappings.Firm"}),
        (BY_MAIL | {"field_mappings": {"Company": ""}}, {"field_mappings.Company"}),
        (
            BY_MAIL | {"field_mappings": {"Company": "a", "CRM Id": "a"}},
            {"field_mappings.Company", "field_mappings.CRM Id"},
        ),
        (BY_MAIL | {"alias_mappings": {"Fax": "phone"}}, {"alias_mappings.Fax"}),
        (BY_MAIL | {"alias_mappings": {"Phone": "fax"}}, {"alias_mappings.Phone"}),
        (BY_MAIL | {"alias_mappings": {"Email": "email"}}, {"alias_mappings.Email"}),
        (
            BY_MAIL | {"alias_mappings": {"Phone": "phone"}, "field_mappings": {"Phone": "phone"}},
            {"alias_mappings.Phone", "field_mappings.Phone"},
        ),
        (BY_MAIL | {"mappings": {}}, {"mappings"}),
    ],
)
async def test_each_mistake_of_a_mapping_is_named(client: Caller, mapping: dict[str, Any], fields: set[str]) -> None:
    body = {"file_id": await previewed(client), **mapping}
    response = await client.post("/leads/import/start", json=body)
    assert response.status_code == 400
    assert {_place(error["field"]) for error in response.json()["errors"]} == fields


def _place(field: str) -> str:
    return field.removesuffix(".[key]")


async def test_only_a_file_of_the_own_unit_can_be_imported(client: Caller, neighbour: Caller, stranger: Caller) -> None:
    file_id = await previewed(client)
    for caller in (neighbour, stranger):
        response = await caller.post("/leads/import/start", json={"file_id": file_id, **WHOLE})
        assert response.status_code == 404
    assert (await client.post("/leads/import/start", json={"file_id": "preview_x", **WHOLE})).status_code == 404


async def test_an_expired_file_cannot_be_imported_and_is_forgotten(client: Caller, database: TestDatabase) -> None:
    expired, _ = await previewed(client), await previewed(client)
    await database.execute(
        "UPDATE lead_import_files SET expires_at = now() - interval '1 second' WHERE file_id = $1", expired
    )
    assert (await client.post("/leads/import/start", json={"file_id": expired, **WHOLE})).status_code == 404
    await tasks.prune_lead_import_files()
    assert await database.fetchval("SELECT count(*) FROM lead_import_files") == 1
    assert await database.fetchval("SELECT count(*) FROM lead_import_pieces") == 1


async def test_a_file_outlives_its_hour_while_an_import_of_it_waits(client: Caller, database: TestDatabase) -> None:
    job_id = await start(client)
    await database.execute("UPDATE lead_import_files SET expires_at = now() - interval '1 second'")
    await tasks.prune_lead_import_files()
    assert counts(await result(client, job_id)) == (2, 2, 0, 0)
    await tasks.prune_lead_import_files()
    assert await database.fetchval("SELECT count(*) FROM lead_import_files") == 0


async def test_viewers_import_nothing(viewer: Caller, operator: Caller, basic: Caller) -> None:
    assert (await preview(viewer, LEADS)).status_code == 403
    for caller in (operator, basic):
        file_id = await previewed(caller)
        assert (await viewer.post("/leads/import/start", json={"file_id": file_id, **WHOLE})).status_code == 403
        await start(caller)


async def test_an_import_is_its_units_and_no_other_job_is_one(
    client: Caller, neighbour: Caller, stranger: Caller
) -> None:
    job_id = await start(client)
    for caller in (neighbour, stranger):
        assert (await caller.get(f"/leads/import/{job_id}")).status_code == 404
    rescore = (await client.post("/admin/rescore")).json()["job_id"]
    assert (await client.get(f"/leads/import/{rescore}")).status_code == 404
    assert (await client.get("/leads/import/job_nowhere")).status_code == 404


# What becomes of the rows


async def test_leads_are_created_with_their_fields_and_aliases(client: Caller) -> None:
    told = await imported(client)
    assert told == {"processed": 2, "created": 2, "updated": 0, "failed": 0, "errors": []}
    ada = await lead_of(client, "ada@example.com")
    assert ada["lead_id"].startswith("ld_")
    assert ada["metadata"] == {"company": "Analytical"}
    assert await aliases_of(client, ada["lead_id"]) == {
        ("email", "ada@example.com"),
        ("phone", "+44201234"),
        ("external_id", "c-1"),
    }
    assert await aliases_of(client, (await lead_of(client, "grace"))["lead_id"]) == {
        ("email", "grace@example.com"),
        ("external_id", "c-2"),
    }


async def test_a_lead_that_is_known_is_updated_field_by_field(client: Caller, make: Make, drain: Drain) -> None:
    await make.lead("ada", metadata={"company": "Babbage", "role": "author"})
    await make.event(lead_id="ada", aliases=[{"alias_kind": "email", "raw_value": "ADA@example.com"}])
    await drain()
    assert counts(await imported(client)) == (2, 1, 1, 0)
    ada = (await client.get("/lead/ada")).json()
    assert ada["metadata"] == {"company": "Analytical", "role": "author"}
    assert ("phone", "+44201234") in await aliases_of(client, "ada")


async def test_an_empty_cell_takes_nothing_away(client: Caller) -> None:
    await imported(client)
    assert counts(await imported(client, b"Email,Phone,CRM Id,Company\nada@example.com\n")) == (1, 0, 1, 0)
    assert (await lead_of(client, "ada@"))["metadata"] == {"company": "Analytical"}


async def test_rows_of_one_lead_are_one_lead_and_the_last_wins(client: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE_RECORDS", 2)
    content = b"Email,Phone,CRM Id,Company\nA@b.cc,,,one\na@b.cc,,,two\n a@B.cc ,,,three\n"
    assert counts(await imported(client, content)) == (3, 1, 2, 0)
    assert (await client.get("/leads")).json()["total"] == 1
    assert (await lead_of(client, "a@b.cc"))["metadata"] == {"company": "three"}


async def test_an_import_that_is_started_twice_makes_nothing_twice(client: Caller) -> None:
    body = {"file_id": await previewed(client), **WHOLE}
    first, second = [(await client.post("/leads/import/start", json=body)).json()["job_id"] for _ in range(2)]
    assert counts(await result(client, first)) == (2, 2, 0, 0)
    assert counts(await result(client, second)) == (2, 0, 2, 0)
    assert (await client.get("/leads")).json()["total"] == 2


async def test_a_row_finds_its_lead_by_a_further_alias_where_the_primary_one_is_new(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.event(lead_id="ada", aliases=[{"alias_kind": "external_id", "raw_value": "c-1"}])
    await drain()
    assert counts(await imported(client)) == (2, 1, 1, 0)
    assert ("email", "ada@example.com") in await aliases_of(client, "ada")


async def test_an_alias_of_somebody_else_stays_with_him_and_both_timelines_tell(
    client: Caller, make: Make, drain: Drain
) -> None:
    await make.event(lead_id="holder", aliases=[{"alias_kind": "external_id", "raw_value": "c-1"}])
    await make.event(lead_id="ada", aliases=[{"alias_kind": "email", "raw_value": "ada@example.com"}])
    await drain()
    assert counts(await imported(client)) == (2, 1, 1, 0)
    assert await aliases_of(client, "holder") == {("external_id", "c-1")}
    for lead_id in ("holder", "ada"):
        kinds = [event["event_type"] for event in (await client.get(f"/events/{lead_id}")).json()]
        assert "alias_conflict" in kinds


async def test_a_merged_leads_row_reaches_the_one_that_took_it_in(client: Caller, make: Make, drain: Drain) -> None:
    await make.event(lead_id="source", aliases=[{"alias_kind": "email", "raw_value": "ada@example.com"}])
    await make.event(lead_id="target")
    await drain()
    await client.post("/leads/merge", json={"targetLeadId": "target", "sourceLeadIds": ["source"]})
    assert counts(await imported(client)) == (2, 1, 1, 0)
    assert (await client.get("/lead/target")).json()["metadata"] == {"company": "Analytical"}


async def test_a_row_that_is_wrong_is_named_and_the_others_are_imported(client: Caller) -> None:
    content = b"""Email,Phone,CRM Id,Company
,,c-9,none
a@b.cc,"+1
23",c-1,two lines
b@b.cc,n/a,c-2,no digits
c@b.cc,,,,too many
"d@b.cc,,,open
e@b.cc,,,after it
"""
    told = await imported(client, content)
    assert counts(told) == (6, 2, 0, 4)
    assert told["errors"] == [
        {"line": 2, "error": "Email: is empty, and names the lead"},
        {"line": 5, "error": "Phone: must not be empty as phone"},
        {"line": 6, "error": "has 5 cells, and the header 4"},
        {"line": 7, "error": "has a quote that is not closed"},
    ]
    assert (await client.get("/leads")).json()["total"] == 2
    assert (await lead_of(client, "e@b.cc"))["metadata"] == {"company": "after it"}


async def test_a_row_that_a_lead_has_no_room_for_fails_alone(client: Caller) -> None:
    half = b"x" * 60_000
    content = b"Email,Company,Text\na@b.cc,%b,\na@b.cc,,%b\nb@b.cc,%b,%b\n" % (half, half, half, half)
    told = await imported(client, content, **BY_MAIL, field_mappings={"Company": "one", "Text": "two"})
    assert counts(told) == (3, 1, 0, 2)
    assert [error["line"] for error in told["errors"]] == [3, 4]
    assert all("metadata: must be at most" in error["error"] for error in told["errors"])
    assert list((await lead_of(client, "a@b.cc"))["metadata"]) == ["one"]


async def test_errors_are_bounded_in_number_and_all_counted(client: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE_RECORDS", 70)
    told = await imported(client, b"Email,Company\n" + b",x\n" * 150 + b"a@b.cc,y\n", **BY_MAIL)
    assert counts(told) == (151, 1, 0, 150)
    assert [error["line"] for error in told["errors"]] == list(range(2, 2 + ERRORS_SHOWN))


async def test_a_column_that_is_mapped_to_nothing_is_passed_over(client: Caller) -> None:
    await imported(client, LEADS, **BY_MAIL)
    ada = await lead_of(client, "ada@example.com")
    assert (ada["metadata"], await aliases_of(client, ada["lead_id"])) == ({}, {("email", "ada@example.com")})


# Broken off


async def test_an_import_that_was_broken_off_goes_on_and_counts_each_row_once(
    client: Caller, monkeypatch: pytest.MonkeyPatch, database: TestDatabase
) -> None:
    monkeypatch.setattr(reading, "PIECE_RECORDS", 2)
    job_id = await start(client, b"Email\n" + b"".join(b"%d@b.cc\n" % number for number in range(7)), **BY_MAIL)
    stored = json.loads(await database.fetchval("SELECT parameters::text FROM jobs WHERE job_id = $1", job_id))
    progress = Progress(system_scope(client.org_id, client.unit_id), job_id, None, stored)
    seen: list[int] = []
    refuse = Outcome.refuse

    def fail_once(outcome: Outcome, refused: Any) -> None:
        seen.append(outcome.processed)
        if seen == [2, 4]:
            raise ConnectionError("the power went off before the commit")
        refuse(outcome, refused)

    monkeypatch.setattr(Outcome, "refuse", fail_once)
    with pytest.raises(ConnectionError):
        await tasks.import_leads(msgspec.convert(stored, ImportLeads), progress)
    half = (await client.get(f"/leads/import/{job_id}")).json()
    assert (half["progress"], counts(half["result"])) == ({"done": 2, "total": 7}, (2, 2, 0, 0))
    assert counts(await result(client, job_id)) == (7, 7, 0, 0)
    assert seen == [2, 4, 4, 6, 7]
    assert (await client.get("/leads")).json()["total"] == 7


async def test_two_workers_at_one_import_do_each_piece_once(
    client: Caller, monkeypatch: pytest.MonkeyPatch, database: TestDatabase
) -> None:
    monkeypatch.setattr(reading, "PIECE_RECORDS", 1)
    job_id = await start(client)
    await database.execute(
        "INSERT INTO pgqueuer (priority, status, entrypoint, payload)"
        " SELECT priority, status, entrypoint, payload FROM pgqueuer"
    )
    assert counts(await result(client, job_id)) == (2, 2, 0, 0)


# Deleted leads


async def test_a_file_of_before_a_deletion_never_brings_the_lead_back(client: Caller, make: Make) -> None:
    await imported(client)
    job_id, file_id = await start(client), await previewed(client)
    ada = (await lead_of(client, "ada@example.com"))["lead_id"]
    assert (await client.delete(f"/lead/{ada}")).status_code == 200
    told = await result(client, job_id)
    assert counts(told) == (2, 0, 1, 1)
    assert told["errors"] == [{"line": 2, "error": "names a lead that was deleted after the file was uploaded"}]
    later = (await client.post("/leads/import/start", json={"file_id": file_id, **WHOLE})).json()["job_id"]
    assert counts(await result(client, later)) == (2, 0, 1, 1)
    assert (await client.get("/leads")).json()["total"] == 1


async def test_a_file_of_later_begins_a_new_lead(client: Caller) -> None:
    await imported(client)
    ada = (await lead_of(client, "ada@example.com"))["lead_id"]
    await client.delete(f"/lead/{ada}")
    await drain_jobs()
    assert counts(await imported(client)) == (2, 1, 1, 0)
    assert (await lead_of(client, "ada@example.com"))["lead_id"] != ada


async def test_a_lead_called_import_keeps_its_own_paths(client: Caller, make: Make) -> None:
    await make.lead("import", metadata={"a": 1})
    assert (await client.get("/leads/import/profile")).json() == {"a": 1}
    assert (await client.get("/leads/import")).json()["lead_id"] == "import"
