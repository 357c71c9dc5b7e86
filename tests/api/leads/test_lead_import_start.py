"""Starting an import of leads, and the job that it starts."""

from typing import Any

import pytest

from leadvibe.core.jobs.queue import drain_jobs
from leadvibe.leads.importing import tasks
from support.callers import Caller
from support.importing import BY_MAIL, LEADS, WHOLE, counts, preview, previewed, result, start
from support.postgres import TestDatabase


async def test_a_started_import_is_a_job(client: Caller, viewer: Caller) -> None:
    job_id = await start(client)
    job = (await viewer.get(f"/leads/import/{job_id}")).json()
    assert job == {
        "job_id": job_id,
        "kind": "lead_import",
        "status": "queued",
        "progress": {"done": 0, "total": 2},
        "result": {
            "processed": 0,
            "created": 0,
            "updated": 0,
            "failed": 0,
            "errors": [],
            "conflicts": 0,
            "warnings": [],
        },
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
async def test_each_mistake_in_a_mapping_is_reported(client: Caller, mapping: dict[str, Any], fields: set[str]) -> None:
    body = {"file_id": await previewed(client), **mapping}
    response = await client.post("/leads/import/start", json=body)
    assert response.status_code == 400
    assert {_place(error["field"]) for error in response.json()["errors"]} == fields


def _place(field: str) -> str:
    return field.removesuffix(".[key]")


async def test_only_files_of_the_own_ou_can_be_imported(client: Caller, neighbour: Caller, stranger: Caller) -> None:
    file_id = await previewed(client)
    for caller in (neighbour, stranger):
        response = await caller.post("/leads/import/start", json={"file_id": file_id, **WHOLE})
        assert response.status_code == 404
    assert (await client.post("/leads/import/start", json={"file_id": "preview_x", **WHOLE})).status_code == 404


async def test_an_expired_file_cannot_be_imported_and_is_deleted(client: Caller, database: TestDatabase) -> None:
    expired, _ = await previewed(client), await previewed(client)
    await database.execute(
        "UPDATE lead_import_files SET expires_at = now() - interval '1 second' WHERE file_id = $1", expired
    )
    assert (await client.post("/leads/import/start", json={"file_id": expired, **WHOLE})).status_code == 404
    await tasks.prune_lead_import_files()
    assert await database.fetchval("SELECT count(*) FROM lead_import_files") == 1
    assert await database.fetchval("SELECT count(*) FROM lead_import_pieces") == 1


async def test_an_expired_file_stays_while_an_import_of_it_is_queued(client: Caller, database: TestDatabase) -> None:
    job_id = await start(client)
    await database.execute("UPDATE lead_import_files SET expires_at = now() - interval '1 second'")
    await tasks.prune_lead_import_files()
    assert counts(await result(client, job_id)) == (2, 2, 0, 0)
    await tasks.prune_lead_import_files()
    assert await database.fetchval("SELECT count(*) FROM lead_import_files") == 0


async def test_viewers_cannot_import(viewer: Caller, operator: Caller, basic: Caller) -> None:
    assert (await preview(viewer, LEADS)).status_code == 403
    for caller in (operator, basic):
        file_id = await previewed(caller)
        assert (await viewer.post("/leads/import/start", json={"file_id": file_id, **WHOLE})).status_code == 403
        await start(caller)


async def test_only_imports_of_the_own_ou_are_found(client: Caller, neighbour: Caller, stranger: Caller) -> None:
    job_id = await start(client)
    for caller in (neighbour, stranger):
        assert (await caller.get(f"/leads/import/{job_id}")).status_code == 404
    rescore = (await client.post("/admin/rescore")).json()["job_id"]
    assert (await client.get(f"/leads/import/{rescore}")).status_code == 404
    assert (await client.get("/leads/import/job_nowhere")).status_code == 404
