"""Imports leads over HTTP."""

from typing import Any

from leadvibe.core.jobs.queue import drain_jobs
from support.callers import Caller

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
    """The only lead with an alias that contains this text."""
    (found,) = (await caller.get("/leads/search", params={"q": alias})).json()
    return (await caller.get(f"/lead/{found['lead_id']}")).json()


async def aliases_of(caller: Caller, lead_id: str) -> set[tuple[str, str]]:
    return {(a["kind"], a["value"]) for a in (await caller.get(f"/lead/{lead_id}/aliases")).json()}


def counts(result: dict[str, Any]) -> tuple[int, int, int, int]:
    return result["processed"], result["created"], result["updated"], result["failed"]
