"""Fills an OU with one object of each kind, so that tests can put real ids into every path."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from leadvibe.ingest.inbox import AcceptedEvent, encode, route_of
from support.callers import Caller
from support.make import Make
from support.operations import parameters
from support.postgres import TestDatabase

MARK = "zebra"
"""Part of every name and id in the OU. A response that contains it reveals something of the OU."""


@dataclass(frozen=True)
class Populated:
    ids: dict[str, str]
    """A real id for each kind of object, by the word before it in a path, or by the parameter's name."""

    def fill(self, path: str) -> str:
        """The path with real ids in it."""
        for name in parameters(path):
            path = path.replace(f"{{{name}}}", self.id_at(path, name), 1)
        return path

    def filled_in(self, options: str) -> dict[str, Any]:
        """Options of a request, written as JSON, with real ids for `<rulesets>` and its like."""
        return json.loads(re.sub(r"<([a-z_-]+)>", lambda match: self.ids[match[1]], options))

    def id_at(self, path: str, name: str) -> str:
        before = path.split(f"/{{{name}}}", maxsplit=1)[0].rpartition("/")[2]
        found = self.ids.get(before) if name == "id" or before == "import" else self.ids.get(name)
        assert found is not None, f"add an id for {{{name}}} in {path} to tests/support/populated.py"
        return found


async def populate(client: Caller, drain: Callable[[], Awaitable[None]], database: TestDatabase) -> Populated:
    make = Make(client)
    ruleset = await make.ruleset(f"{MARK} ruleset")
    rule = await make.rule(f"{MARK}_viewed", 7, ruleset_id=ruleset["ruleset_id"])
    await make.lead(f"{MARK}-lead")
    await client.delete(f"/lead/{MARK}-lead")  # it is created again below: so there is a deletion to read
    lead = await make.lead(f"{MARK}-lead", metadata={"animal": MARK})
    aliases = [{"alias_kind": "email", "raw_value": f"{MARK}@example.com"}]
    await make.event(f"{MARK}_viewed", lead["id"], aliases=aliases, metadata={"animal": MARK})
    await drain()
    await make.order(f"{MARK}-order", lead["id"])
    events = (await client.get(f"/events/{lead['id']}")).json()
    await client.post(f"/leads/{lead['id']}/watch", json={"prediction": MARK})
    member = await make.member(f"{MARK}@acme.example", password="a long enough password")
    await client.post(
        f"/org-units/{client.unit_id}/members", json={"org_member_id": member["org_member_id"], "role": "Viewer"}
    )
    return Populated(
        {
            "lead_id": lead["id"],
            "event_type": f"{MARK}_viewed",
            "event_id": events[0]["event_id"],
            "member_id": member["org_member_id"],
            "members": member["org_member_id"],
            "rulesets": ruleset["ruleset_id"],
            "rules": rule["rule_id"],
            "decays": (await make.decay(name=f"{MARK} decay"))["decay_id"],
            "filters": (await make.filter(f"{MARK}_clicked"))["filter_id"],
            "secrets": (await make.credential(f"{MARK} program"))["secret_id"],
            "tokens": (await make.token(f"{MARK} script"))["id"],
            "org-units": client.unit_id,
            "failed-events": await fail_event(client.unit_id, database),
            "job_id": await insert_job(client.unit_id, database),
            "import": await start_import(client),
        }
    )


async def fail_event(unit_id: str, database: TestDatabase) -> str:
    """Insert a failed event. The pipeline has no known input that fails."""
    event = AcceptedEvent(f"{MARK}_failed", f"{MARK}-poison", [], None, b"{}", None, None)
    event_id = uuid4()
    await database.execute(
        "INSERT INTO failed_events (unit_id, event_id, route, received_at, error, body)"
        " VALUES ($1, $2, $3, now(), $4, $5)",
        *(unit_id, event_id, route_of(unit_id, event), f"{MARK} poison", encode(event)),
    )
    return f"ev_{event_id.hex}"


async def insert_job(unit_id: str, database: TestDatabase) -> str:
    await database.execute(
        "INSERT INTO jobs (unit_id, job_id, kind, status) VALUES ($1, $2, $3, 'completed')",
        *(unit_id, f"job_{uuid4().hex}", f"{MARK} job"),
    )
    return await database.fetchval("SELECT job_id FROM jobs WHERE unit_id = $1 AND status = 'completed'", unit_id)


async def start_import(client: Caller) -> str:
    """Start a lead import, which stays queued. Returns its job id."""
    file = {"file": (f"{MARK}.csv", f"{MARK} mail\n{MARK}-new@example.com\n".encode())}
    preview = (await client.post("/leads/import/preview", files=file)).json()
    primary = {"column": f"{MARK} mail", "kind": "email"}
    body = {"file_id": preview["file_id"], "primary_identifier": primary}
    return (await client.post("/leads/import/start", json=body)).json()["job_id"]


async def digest(database: TestDatabase) -> dict[str, Any]:
    """The number of rows and a hash of the contents, by table."""
    tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {
        row["tablename"]: await database.fetchval(
            f"SELECT count(*) || ' rows: ' || coalesce(md5(string_agg(t::text, ' ' ORDER BY t::text)), '')"
            f' FROM "{row["tablename"]}" t'
        )
        for row in tables
    }
