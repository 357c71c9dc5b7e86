"""Creates the objects that the examples of the OpenAPI name."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from support.callers import Caller
from support.make import Make
from support.populated import fail_event, insert_job
from support.postgres import TestDatabase

PASSWORD = "a long enough password"


async def create_example_objects(
    client: Caller, drain: Callable[[], Awaitable[None]], database: TestDatabase
) -> dict[str, str]:
    """Create an object for each placeholder of the examples. Returns their ids by placeholder."""
    make = Make(client)
    ids = {"org_id": client.org_id, "unit_id": client.unit_id, "admin_id": client.member_id}
    ids |= await _create_configuration(make)
    ids |= await _create_access(client, make)
    await _create_leads(client, make, drain)
    events = (await client.get("/events/ada", params={"event_type": "page_view"})).json()
    return ids | {
        "event_id": events[0]["event_id"],
        "failed_event_id": await fail_event(client.unit_id, database),
        "job_id": await insert_job(client.unit_id, database),
        **await _import_leads(client),
    }


async def _create_configuration(make: Make) -> dict[str, str]:
    rule = await make.rule("page_view", 5)
    await make.rule("signup", 20)
    return {
        "ruleset_id": rule["ruleset_id"],
        "other_ruleset_id": (await make.ruleset("Product"))["ruleset_id"],
        "rule_id": rule["rule_id"],
        "decay_id": (await make.decay(name="Two quiet weeks", inactive_for=14))["decay_id"],
        "filter_id": (await make.filter("email_click"))["filter_id"],
    }


async def _create_access(client: Caller, make: Make) -> dict[str, str]:
    member = await make.member("maria@acme.example", first_name="Maria", last_name="Silva", password=PASSWORD)
    other = await make.member("jan@acme.example", first_name="Jan", last_name="Novak", password=PASSWORD)
    membership = {"org_member_id": member["org_member_id"], "role": "Viewer"}
    assert (await client.post(f"/org-units/{client.unit_id}/members", json=membership)).is_success
    return {
        "member_id": member["org_member_id"],
        "other_member_id": other["org_member_id"],
        "secret_id": (await make.credential("Website"))["secret_id"],
        "token_id": (await make.token("Nightly report"))["id"],
    }


async def _create_leads(client: Caller, make: Make, drain: Callable[[], Awaitable[None]]) -> None:
    await make.lead("linus")
    assert (await client.delete("/lead/linus")).is_success
    await make.lead("ada", metadata={"name": "Ada Lovelace", "company": "Analytical Engines"})
    await make.lead("grace", metadata={"name": "Grace Hopper", "company": "Cobol Corp"})
    email = [{"alias_kind": "email", "raw_value": "ada@example.com"}]
    page = {"path": "/pricing", "channel": "web"}
    await make.event("page_view", "ada", aliases=email, metadata=page)
    await drain()
    await make.event("signup", "ada", metadata={"plan": "team", "channel": "web"})
    await make.event("page_view", "grace", metadata=page)
    await make.event("newsletter_open", "grace")
    await drain()
    await make.order("order-1001", "ada", status="paid")
    watch = {"prediction": "customer", "prediction_notes": "Asked for a quote"}
    assert (await client.post("/lead/ada/watch", json=watch)).is_success


async def _import_leads(client: Caller) -> dict[str, str]:
    """The ids of an uploaded file, and of the import of another."""
    previews: list[Any] = []
    for name in ("first", "second"):
        file = {"file": (f"{name}.csv", f"Email,Company\n{name}@example.com,Example Ltd\n".encode())}
        previews.append((await client.post("/leads/import/preview", files=file)).json())
    body = {"file_id": previews[0]["file_id"], "primary_identifier": {"column": "Email", "kind": "email"}}
    job = (await client.post("/leads/import/start", json=body)).json()
    return {"import_job_id": job["job_id"], "file_id": previews[1]["file_id"]}


async def send_example(client: Caller, method: str, path: str, request: dict[str, Any], media_type: str | None) -> Any:
    """Send the request of an example, with the body of one media type, whose ids are filled in already."""
    for name, value in request.get("path", {}).items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    body: Any = request["body"][media_type] if media_type is not None else None
    headers = dict(request.get("headers", {}))
    options: dict[str, Any] = {}
    match media_type:
        case "application/json":
            options["json"] = body
        case "multipart/form-data":
            options["files"] = {name: (f"{name}.csv", text.encode()) for name, text in body.items()}
        case str():
            options["content"], headers["Content-Type"] = body.encode(), media_type
        case None:
            pass
    return await client.request(method, path, params=request.get("query"), headers=headers, **options)
