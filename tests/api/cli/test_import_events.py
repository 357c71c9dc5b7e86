"""`leadvibe import FILE`: the same from a shell."""

import asyncio
import gzip
import hashlib
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
    """The exit code and what was said."""
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
    assert code == 0, said
    assert "2 imported, 1 errors" in said
    assert "line 3: event_type: must be 1 to 200 characters" in said
    key = hashlib.sha256(CONTENT).hexdigest()
    assert await waiting(database) == [
        (world.admin.unit_id, AcceptedEvent("signup", "ada", [], None, b"{}", None, f"{key}/0", skip_triggers=True)),
        (world.admin.unit_id, AcceptedEvent("login", "bob", [], None, b"{}", None, f"{key}/2", skip_triggers=True)),
    ]


async def test_a_compressed_file_has_the_keys_of_what_is_in_it(
    database: TestDatabase, world: World, tmp_path: Path
) -> None:
    (tmp_path / "events.csv").write_bytes(CONTENT)
    (tmp_path / "events.csv.gz").write_bytes(gzip.compress(CONTENT))
    await run(database, tmp_path / "events.csv", "--unit", world.admin.unit_id)
    await run(database, tmp_path / "events.csv.gz", "--unit", world.admin.unit_id)
    keys = [event.idempotency_key for _, event in await waiting(database)]
    assert keys[:2] == keys[2:]


async def test_importing_a_file_twice_counts_it_once(
    client: Caller, database: TestDatabase, drain: Callable[[], Awaitable[None]], tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    file.write_bytes(CONTENT)
    for _ in range(2):
        await run(database, file, "--unit", client.unit_id)
        await drain()
    assert await database.fetchval("SELECT count(*) FROM events WHERE unit_id = $1", client.unit_id) == 2


async def test_where_there_are_several_units_one_has_to_be_chosen(
    database: TestDatabase, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    file.write_bytes(CONTENT)
    code, said = await run(database, file)
    assert code == 1
    assert "choose one with --unit" in said
    assert world.admin.unit_id in said
    assert (await run(database, file, "--unit", "nowhere")) == (1, "leadvibe: There is no OU 'nowhere'.")
    assert await waiting(database) == []


async def test_what_is_no_such_file_is_refused_in_words(database: TestDatabase, world: World, tmp_path: Path) -> None:
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
