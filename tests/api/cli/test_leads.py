"""`leadvibe leads …` works with the leads of a running server."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from leadvibe.core.jobs.queue import run_jobs
from support.callers import Caller
from support.make import Make
from support.serving import free_port
from support.world import World

Drain = Callable[[], Awaitable[None]]

FILE = b"Mail,Firm: name\nada@example.com,Analytical\n,nobody\n"
MAPPED = ("--primary", "Mail:email", "--field", "Firm: name:company")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def words(self) -> str:
        return " ".join(self.out.split())


@dataclass(frozen=True)
class Shell:
    """`leadvibe leads` in another process, with the application under test as the server."""

    settings: dict[str, str]

    async def __call__(self, *arguments: str | Path, answer: str = "") -> Ran:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "leadvibe", "leads", *arguments),
            env={**os.environ, **self.settings, "COLUMNS": "200"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(answer.encode())
        assert b"Traceback" not in err, err.decode()
        return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
async def leads(app: Any, world: World, tmp_path: Path) -> AsyncGenerator[Shell]:
    """The command, while the application serves HTTP and a worker runs jobs."""
    port, stop = free_port(), asyncio.Event()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", ws="none", log_config=None))
    key = f"{world.credential.client_id}:{world.credential.client_secret}"
    async with asyncio.timeout(120), asyncio.TaskGroup() as running:
        running.create_task(server.serve())
        running.create_task(run_jobs(stop))
        try:
            yield Shell(
                {
                    "LEADVIBE_URL": f"http://127.0.0.1:{port}",
                    "LEADVIBE_KEY": key,
                    "LEADVIBE_DATA_DIR": str(tmp_path / "nothing"),
                }
            )
        finally:
            stop.set()
            server.should_exit = True


async def test_leads_are_listed_shown_and_found(leads: Shell, make: Make, drain: Drain) -> None:
    await make.rule("signup", 20)
    await make.lead("jane-[red]", metadata={"plan": "pro"})
    await make.event("signup", "jane-[red]", aliases=[{"alias_kind": "email", "raw_value": "jane@example.com"}])
    await make.lead("bob")
    await drain()

    listed = await leads("list")
    assert (listed.code, "1 of 1 leads" in (await leads("list", "--min-score", "1")).out) == (0, True), listed.err
    assert listed.out.index("jane-[red]") < listed.out.index("bob")
    assert "2 of 2 leads" in listed.out
    assert [lead["lead_id"] for lead in (await leads("list", "--json", "--limit", "1")).json["leads"]] == ["jane-[red]"]

    shown = await leads("show", "jane-[red]")
    assert shown.code == 0
    for word in ("jane@example.com", "metadata.plan", "pro", "score in Engagement", "20"):
        assert word in shown.out
    told = (await leads("show", "jane-[red]", "--json")).json
    assert (told["score"], [alias["value"] for alias in told["aliases"]]) == (20, ["jane@example.com"])

    assert "jane-[red]" in (await leads("search", "example")).out
    assert [lead["lead_id"] for lead in (await leads("search", "bo", "--json")).json] == ["bob"]


async def test_control_characters_of_a_lead_dont_reach_the_terminal(leads: Shell, make: Make) -> None:
    await make.lead("eve", metadata={"na\x1bme": "\x1b[2J\x9bcleared\u202e\r"})
    for output in ((await leads("show", "eve")).out, (await leads("show", "eve", "--json")).out):
        assert "cleared" in output
        assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(output)
    assert (await leads("show", "eve", "--json")).json["metadata"] == {"na\x1bme": "\x1b[2J\x9bcleared\u202e\r"}


async def test_a_file_with_bad_rows_is_imported_with_exit_code_3(leads: Shell, client: Caller, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_bytes(FILE)
    ran = await leads("import", file, *MAPPED)
    assert (ran.code, ran.words) == (
        3,
        "line 3: Mail: the primary identifier must not be empty 1 created, 0 updated, 1 failed",
    )
    file.write_bytes(FILE.replace(b",nobody\n", b""))
    ran = await leads("import", file, *MAPPED, "--json")
    assert (ran.code, ran.json["result"]["updated"], ran.json["status"]) == (0, 1, "completed")
    (found,) = (await client.get("/leads")).json()["leads"]
    assert found["metadata"] == {"company": "Analytical"}


async def test_the_command_asks_for_the_identifier_column_and_proposes_one(
    leads: Shell, client: Caller, tmp_path: Path
) -> None:
    file = tmp_path / "leads.csv"
    file.write_bytes(b"Mail,Code\nada@example.com,c-1\n")
    ran = await leads("import", file, answer="\n")
    assert (ran.code, ran.words) == (0, "1 created, 0 updated, 0 failed"), ran.err
    assert "[Mail:email]" in ran.err
    assert (await leads("import", file, answer="Code:external_id\n")).code == 0
    assert (await leads("import", file)).code == 1  # nobody answers
    assert (await client.get("/leads")).json()["total"] == 2


async def test_ignored_columns_are_named(leads: Shell, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_bytes(b"Mail,Code,[b]Note\nada@example.com,c-1,x\n")
    asked = await leads("import", file, answer="\n")
    assert "Ignored columns: Code, [b]Note. Use --field or --alias to import a column." in asked.err
    said = await leads("import", file, "--primary", "Mail:email", "--alias", "Code:external_id", "--field", "[b]Note:x")
    assert (said.code, "Ignored columns" in said.err) == (0, False), said.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--primary", "Mail"), 2, "must have the form COLUMN:KIND"),
        (("--primary", "Mail:email", "--field", "A:x", "--field", "A:y"), 2, "mapped twice"),
        (("--primary", "Post:email"), 1, "primary_identifier.column: the file has no such column"),
        (("--primary", "Mail:mail"), 1, "primary_identifier.kind"),
    ],
)
async def test_a_wrong_mapping_is_refused_with_a_message(
    leads: Shell, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    file = tmp_path / "leads.csv"
    file.write_bytes(FILE)
    ran = await leads("import", file, *arguments)
    assert (ran.code, words in " ".join(ran.err.replace("│", " ").split())) == (code, True), ran.err


async def test_a_file_that_is_missing_too_large_or_not_csv_is_refused(leads: Shell, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_bytes(b"PK\x03\x04")
    ran = await leads("import", file, *MAPPED)
    assert (ran.code, "is a spreadsheet or archive" in ran.err) == (1, True)
    file.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    ran = await leads("import", file, *MAPPED)
    assert (ran.code, "is too large" in ran.err) == (1, True)
    assert (await leads("import", tmp_path / "nowhere.csv")).code == 2


async def test_a_lead_is_deleted_after_confirmation(leads: Shell, client: Caller, make: Make) -> None:
    await make.lead("a b?")
    ran = await leads("delete", "a b?", answer="n\n")
    assert (ran.code, (await client.get("/leads")).json()["total"]) == (1, 1)
    ran = await leads("delete", "a b?", answer="y\n")
    assert (ran.code, ran.words) == (0, "Lead deletion initiated: a b?"), ran.err
    await make.lead()
    ran = await leads("delete", "lead-1", "--yes", "--wait", "--json")
    assert (ran.code, ran.json["status"]) == (0, "completed")


async def test_a_missing_lead_is_exit_code_4(leads: Shell) -> None:
    for command in (("show", "nobody"), ("delete", "nobody", "--yes"), ("delete", "nobody")):
        ran = await leads(*command)
        assert (ran.code, ran.err.startswith("leadvibe: There is no "), ran.out) == (4, True, "")


async def test_a_token_works_in_the_given_ou(leads: Shell, make: Make, client: Caller, neighbour: Caller) -> None:
    await make.lead()
    token = (await make.token())["token"]
    own, other = [
        await leads("--key", token, "--unit", unit, "list", "--json") for unit in (client.unit_id, neighbour.unit_id)
    ]
    assert (own.json["total"], other.json["total"]) == (1, 0)


async def test_a_server_and_a_key_are_required(leads: Shell) -> None:
    ran = await Shell({**leads.settings, "LEADVIBE_KEY": ""})("list")
    assert (ran.code, "pass --url and --key" in " ".join(ran.err.split())) == (1, True)
    ran = await leads("--url", f"http://127.0.0.1:{free_port()}", "list")
    assert (ran.code, "can't be reached" in ran.err) == (1, True)
    ran = await leads("--key", "lv_ci_nobody:x", "list")
    assert (ran.code, ran.err.startswith("leadvibe: ")) == (1, True)


async def test_the_ou_is_sent_with_a_token_and_an_id_is_quoted_in_the_path(leads: Shell, client: Caller) -> None:
    refused = await leads("--unit", client.unit_id, "list")
    assert (refused.code, "--unit can only be used with a personal token" in " ".join(refused.err.split())) == (1, True)
    assert (await leads("show", "..")).code == 2
