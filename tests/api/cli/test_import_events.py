"""`leadvibe import FILE` imports events."""

import asyncio
import gzip
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from leadvibe.ingest.inbox import AcceptedEvent, decode
from support.callers import Caller
from support.postgres import TestDatabase
from support.world import World

CONTENT = b"event_type,lead_id\nsignup,ada\n,bad\nlogin,bob\n"


async def run(database: TestDatabase, *arguments: str | Path) -> tuple[int, str]:
    """The exit code and the output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "leadvibe", "import", *arguments),
        env={**os.environ, "LEADVIBE_DATABASE_URL": database.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, " ".join(said.decode().split())


async def waiting(database: TestDatabase) -> list[tuple[str, AcceptedEvent]]:
    rows = await database.fetch("SELECT unit_id, body FROM inbox ORDER BY event_id")
    return [(row["unit_id"], decode(row["body"])) for row in rows]


async def test_a_file_is_imported_and_its_bad_rows_are_named(
    database: TestDatabase, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    file.write_bytes(CONTENT)
    code, said = await run(database, file, "--unit", world.admin.unit_id, "--skip-triggers")
    assert code == 3, said
    assert "2 imported, 1 errors" in said
    assert "line 3: event_type: must be 1 to 200 characters" in said
    assert f"The refused rows are in {file}.refused.csv." in said
    events = await waiting(database)
    assert [(unit, event.event_type, event.lead_id, event.skip_triggers) for unit, event in events] == [
        (world.admin.unit_id, "signup", "ada", True),
        (world.admin.unit_id, "login", "bob", True),
    ]
    refused = (tmp_path / "events.csv.refused.csv").read_text("utf-8-sig")
    assert refused.startswith("import_error,event_type,lead_id\nline 3: event_type: must be 1 to 200 characters")
    assert refused.endswith(",,bad\n")


async def test_refused_rows_can_be_corrected_and_imported(
    client: Caller, database: TestDatabase, drain: Callable[[], Awaitable[None]], tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    rows = [f"2025-08-15 12:{n % 60:02};lead-{n};{n}" for n in range(1_000)]
    broken = rows.copy()
    broken[7], broken[8], broken[9] = "someday;lead-7;7", '2025-08-15 12:08;"lead-8;8', "2025-08-15 12:09;;9"
    unit = ("--unit", client.unit_id, "--set", "event_type=open", "--timezone", "Europe/Berlin", "--metadata", "rest")
    file.write_text("\n".join(["when;lead_id;amount", *broken]))
    code, said = await run(database, file, *unit, "--map", "when=timestamp")
    assert (code, "997 imported, 3 errors" in said) == (3, True), said
    refused = tmp_path / "events.csv.refused.csv"
    assert refused.read_text("utf-8-sig").count("\n") == 4
    # The whole file, corrected: only the three are new.
    file.write_text("\n".join(["when;lead_id;amount", *rows]))
    code, said = await run(database, file, *unit, "--map", "when=timestamp")
    assert (code, "1,000 imported (997 of them were imported before), 0 errors" in said) == (0, True), said
    # The refused rows, corrected: they are the same three.
    text = refused.read_text("utf-8-sig").replace("someday", "2025-08-15 12:07")
    refused.write_text(text.replace(";;9", ";lead-9;9").replace('"lead-8;8";', "lead-8;8"))
    await run(database, refused, *unit, "--map", "when=timestamp")
    await drain()
    assert await database.fetchval("SELECT count(*) FROM events WHERE unit_id = $1", client.unit_id) == 1_000


async def test_an_existing_file_is_not_overwritten_with_refused_rows(
    database: TestDatabase, world: World, tmp_path: Path
) -> None:
    file, refused = tmp_path / "events.csv", tmp_path / "events.csv.refused.csv"
    file.write_bytes(CONTENT)
    refused.write_text("mine")
    code, said = await run(database, file, "--unit", world.admin.unit_id, "--refused", refused)
    assert (code, "exists already" in said) == (1, True), said
    code, said = await run(database, file, "--unit", world.admin.unit_id)
    assert (code, "events.csv.refused-2.csv" in said) == (3, True), said
    assert refused.read_text() == "mine"


async def test_importing_nothing_is_an_error(database: TestDatabase, world: World, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("event_type,lead_id,timestamp\nopen,ada,2025-08-15 12:00\n")
    code, said = await run(database, file, "--unit", world.admin.unit_id)
    assert (code, "has no time zone" in said, "Nothing was imported" in said) == (1, True, True), said


async def test_a_compressed_file_has_the_keys_of_its_content(
    database: TestDatabase, world: World, tmp_path: Path
) -> None:
    (tmp_path / "events.csv").write_bytes(CONTENT)
    (tmp_path / "events.csv.gz").write_bytes(gzip.compress(CONTENT))
    await run(database, tmp_path / "events.csv", "--unit", world.admin.unit_id)
    await run(database, tmp_path / "events.csv.gz", "--unit", world.admin.unit_id)
    assert len({event.idempotency_key for _, event in await waiting(database)}) == len(await waiting(database)) == 2


async def test_importing_a_file_twice_counts_it_once(
    client: Caller, database: TestDatabase, drain: Callable[[], Awaitable[None]], tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    file.write_bytes(CONTENT)
    for _ in range(2):
        await run(database, file, "--unit", client.unit_id)
        await drain()
    assert await database.fetchval("SELECT count(*) FROM events WHERE unit_id = $1", client.unit_id) == 2


async def test_with_several_ous_one_must_be_chosen(database: TestDatabase, world: World, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_bytes(CONTENT)
    code, said = await run(database, file)
    assert code == 1
    assert "choose one with --unit" in said
    assert world.admin.unit_id in said
    assert (await run(database, file, "--unit", "nowhere")) == (1, "leadvibe: There is no OU 'nowhere'.")
    assert await waiting(database) == []


async def test_a_file_that_cannot_be_imported_is_refused_with_a_message(
    database: TestDatabase, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    unit = ("--unit", world.admin.unit_id)
    file.write_bytes(b"lead_id\nada\n")
    code, said = await run(database, file, *unit)
    assert (code, "event_type: the header must have this column" in said) == (1, True), said
    file.write_bytes(gzip.compress(CONTENT * 1000)[:-20])
    code, said = await run(database, file, *unit)
    assert (code, "is damaged" in said) == (1, True), said
    code, said = await run(database, tmp_path / "nowhere.csv", *unit)
    assert (code, "does not exist" in said) == (2, True), said
    assert "Traceback" not in said
