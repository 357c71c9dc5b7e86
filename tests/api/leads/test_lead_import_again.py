"""Imports that are interrupted, run twice, or run after a deletion."""

import json
from typing import Any

import msgspec
import pytest

from leadvibe.core.jobs.progress import Progress
from leadvibe.core.jobs.queue import drain_jobs
from leadvibe.core.scope import system_scope
from leadvibe.leads.importing import reading, tasks
from leadvibe.leads.importing.mapping import ImportLeads
from leadvibe.leads.importing.rows import ImportResult, RowImport
from support.callers import Caller
from support.importing import BY_MAIL, WHOLE, counts, imported, lead_of, previewed, result, start
from support.make import Make
from support.postgres import TestDatabase


async def test_an_interrupted_import_continues_and_counts_each_row_once(
    client: Caller, monkeypatch: pytest.MonkeyPatch, database: TestDatabase
) -> None:
    monkeypatch.setattr(reading, "RECORDS_PER_PIECE", 2)
    job_id = await start(client, b"Email\n" + b"".join(b"%d@b.cc\n" % number for number in range(7)), **BY_MAIL)
    stored = json.loads(await database.fetchval("SELECT parameters::text FROM jobs WHERE job_id = $1", job_id))
    progress = Progress(system_scope(client.org_id, client.unit_id), job_id, None, stored)
    seen: list[int] = []
    add_failed = ImportResult.add_failed

    def fail_once(result: ImportResult, errors: Any) -> None:
        seen.append(result.processed)
        if seen == [2, 4]:
            raise ConnectionError("the connection was lost before the commit")
        add_failed(result, errors)

    monkeypatch.setattr(ImportResult, "add_failed", fail_once)
    with pytest.raises(ConnectionError):
        await tasks.import_leads(msgspec.convert(stored, ImportLeads), progress)
    half = (await client.get(f"/leads/import/{job_id}")).json()
    assert (half["progress"], counts(half["result"])) == ({"done": 2, "total": 7}, (2, 2, 0, 0))
    assert counts(await result(client, job_id)) == (7, 7, 0, 0)
    assert seen == [2, 4, 4, 6, 7]
    assert (await client.get("/leads")).json()["total"] == 7


async def test_two_workers_on_one_import_import_each_piece_once(
    client: Caller, monkeypatch: pytest.MonkeyPatch, database: TestDatabase
) -> None:
    monkeypatch.setattr(reading, "RECORDS_PER_PIECE", 1)
    job_id = await start(client)
    await database.execute(
        "INSERT INTO pgqueuer (priority, status, entrypoint, payload)"
        " SELECT priority, status, entrypoint, payload FROM pgqueuer"
    )
    assert counts(await result(client, job_id)) == (2, 2, 0, 0)


async def test_a_run_that_starts_after_another_one_finished_counts_nothing_again(
    client: Caller, database: TestDatabase
) -> None:
    job_id = await start(client)
    stored = json.loads(await database.fetchval("SELECT parameters::text FROM jobs WHERE job_id = $1", job_id))
    slow = Progress(system_scope(client.org_id, client.unit_id), job_id, None, stored)
    outcome = await result(client, job_id)
    assert await tasks.import_leads(msgspec.convert(stored, ImportLeads), slow) == outcome
    assert await result(client, job_id) == outcome


@pytest.mark.parametrize(("done", "end"), [(1, ("failed", tasks.FILE_MISSING)), (2, ("completed", None))])
async def test_an_import_whose_file_is_deleted_fails_unless_all_pieces_are_imported(
    client: Caller, monkeypatch: pytest.MonkeyPatch, database: TestDatabase, done: int, end: tuple[str, str | None]
) -> None:
    run = RowImport.run

    async def then_lose_the_file(*arguments: Any) -> None:
        await run(*arguments)
        await database.execute("DELETE FROM lead_import_files")

    monkeypatch.setattr(reading, "RECORDS_PER_PIECE", done)
    monkeypatch.setattr(RowImport, "run", then_lose_the_file)
    job_id = await start(client)
    await drain_jobs()
    job = (await client.get(f"/leads/import/{job_id}")).json()
    assert (job["status"], job["error"]) == end
    assert job["progress"] == {"done": done, "total": 2}
    assert counts(job["result"]) == (done, done, 0, 0)


async def test_a_file_uploaded_before_a_deletion_never_brings_the_lead_back(client: Caller, make: Make) -> None:
    await imported(client)
    job_id, file_id = await start(client), await previewed(client)
    ada = (await lead_of(client, "ada@example.com"))["lead_id"]
    assert (await client.delete(f"/lead/{ada}")).status_code == 200
    outcome = await result(client, job_id)
    assert counts(outcome) == (2, 0, 1, 1)
    assert outcome["errors"] == [{"line": 2, "error": "identifies a lead that was deleted after the upload"}]
    later = (await client.post("/leads/import/start", json={"file_id": file_id, **WHOLE})).json()["job_id"]
    assert counts(await result(client, later)) == (2, 0, 1, 1)
    assert (await client.get("/leads")).json()["total"] == 1


async def test_a_file_uploaded_after_a_deletion_creates_a_new_lead(client: Caller) -> None:
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
