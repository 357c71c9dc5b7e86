"""`leadvibe import`: a CSV straight into the inbox, without a server in between."""

import asyncio
import gzip
import hashlib
import zlib
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy import or_, select

from leadvibe.core.database.migration_state import is_current
from leadvibe.core.database.transactions import Database, close_database, open_database, transaction
from leadvibe.core.http.problems import Problem
from leadvibe.core.startup import CannotStart
from leadvibe.core.transient import is_transient
from leadvibe.ingest.csv_import import import_csv
from leadvibe.ingest.schemas import ImportResult
from leadvibe.server import database
from leadvibe.units.models import OrgUnit

PIECE: Final = 256 * 1024
UNITS_NAMED: Final = 10
TRY_AGAIN: Final = "Run it again: rows that were imported are not counted twice."

File = Annotated[Path, typer.Argument(help="A CSV, or one compressed with gzip.", exists=True, dir_okay=False)]
SkipTriggers = Annotated[bool, typer.Option("--skip-triggers", help="Score the events without firing triggers.")]
Unit = Annotated[str | None, typer.Option(help="The OU's id or slug; needed where there are several.")]


def import_events(file: File, skip_triggers: SkipTriggers = False, unit: Unit = None) -> None:
    """Import events from a CSV file; running it twice with one file is harmless."""
    with database.database_url() as url:
        outcome = asyncio.run(_import(url, file, file.stat().st_size, unit, skip_triggers=skip_triggers))
    console = Console()
    for row in outcome.error_rows:
        console.print(f"line {row.line}: {row.error}", style="red", markup=False, highlight=False)
    if outcome.errors > len(outcome.error_rows):
        console.print(f"… and {outcome.errors - len(outcome.error_rows):,} more", style="red")
    console.print(f"{outcome.imported:,} imported, {outcome.errors:,} errors", highlight=False)
    if outcome.errors and not outcome.imported:
        raise typer.Exit(1)


async def _import(url: str, file: Path, size: int, unit: str | None, *, skip_triggers: bool) -> ImportResult:
    opened = open_database(url, pool_size=2)
    try:
        await _check(opened)
        unit_id = await _unit(unit)
        columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("reading", total=size)
            key = _digest(file, lambda position: progress.update(bar, completed=position))
            progress.reset(bar, description="importing")
            pieces = _pieces(file, lambda position: progress.update(bar, completed=position))
            return await import_csv(pieces, unit_id, key=key, skip_triggers=skip_triggers)
    except Problem as problem:
        raise CannotStart(f"{file}: {problem.detail}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as damaged:
        raise CannotStart(f"{file} is damaged: {damaged}") from None
    except Exception as error:
        if is_transient(error):
            raise CannotStart(f"The database can't be reached: {error}. {TRY_AGAIN}") from None
        raise
    finally:
        await close_database()


async def _check(opened: Database) -> None:
    async with opened.engine.connect() as connection:
        if not await is_current(connection):
            raise CannotStart("The database lacks tables of this program: run `leadvibe migrate`.")


async def _unit(named: str | None) -> str:
    """The OU to import into: the named one, else the only one."""
    if named is not None and not named.isprintable():
        raise CannotStart(f"There is no OU {named!r}.")
    query = select(OrgUnit.unit_id, OrgUnit.name).order_by(OrgUnit.created_at).limit(UNITS_NAMED + 1)
    if named is not None:
        query = query.where(or_(OrgUnit.unit_id == named, OrgUnit.slug == named))
    async with transaction(None) as session:
        units = (await session.execute(query)).all()
    if len(units) == 1:
        return units[0].unit_id
    if not units:
        raise CannotStart(f"There is no OU {named!r}." if named else "There is no OU yet: run `leadvibe serve` once.")
    names = ", ".join(f"{unit.unit_id} ({unit.name})" for unit in units[:UNITS_NAMED])
    raise CannotStart(f"There are several OUs; choose one with --unit: {names}")


def _digest(file: Path, tell: Callable[[int], None]) -> str:
    """SHA-256 of what is in the file: compressed again, it is still the same."""
    digest = hashlib.sha256()
    for piece in _read(file, tell):
        digest.update(piece)
    return digest.hexdigest()


async def _pieces(file: Path, tell: Callable[[int], None]) -> AsyncGenerator[bytes]:
    for piece in _read(file, tell):
        yield piece


def _read(file: Path, tell: Callable[[int], None]) -> Generator[bytes]:
    """The content in pieces; `tell` hears how far into the file they reach."""
    with file.open("rb") as stored:
        is_compressed = stored.read(2) == b"\x1f\x8b"
        stored.seek(0)
        content = gzip.GzipFile(fileobj=stored) if is_compressed else stored
        while piece := content.read(PIECE):
            tell(stored.tell())
            yield piece
