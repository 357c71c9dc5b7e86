"""`leadvibe import`: imports events from a CSV directly into the database's inbox."""

import asyncio
import gzip
import hashlib
import zlib
from collections.abc import AsyncGenerator, Callable, Generator
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy import or_, select

from leadvibe.core.command_error import CommandError
from leadvibe.core.database.migration_state import is_current
from leadvibe.core.database.transactions import close_database, open_database, raw, transaction
from leadvibe.core.http.problems import Invalid, Problem
from leadvibe.core.printable import printable
from leadvibe.core.transient import is_transient
from leadvibe.ingest.csv_import import import_csv
from leadvibe.ingest.import_keys import ImportKeys
from leadvibe.ingest.import_options import ImportOptions, read_options
from leadvibe.ingest.refused_rows import RefusedRows
from leadvibe.ingest.schemas import ImportResult
from leadvibe.server import database
from leadvibe.units.models import OrgUnit

CHUNK_BYTES: Final = 256 * 1024
MAX_LISTED_UNITS: Final = 10
SOME_ROWS_REFUSED: Final = 3
TRY_AGAIN: Final = "Run the command again: rows that were already imported are skipped."

File = Annotated[Path, typer.Argument(help="A CSV file; may be compressed with gzip.", exists=True, dir_okay=False)]
SkipTriggers = Annotated[bool, typer.Option("--skip-triggers", help="Score the events without firing triggers.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="COLUMN=FIELD", help="Read a column as this field, like created_at=timestamp."),
]
Constants = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="The field's value in rows that have none."),
]
Metadata = Annotated[str | None, typer.Option(metavar="rest", help="`rest` keeps all other columns as metadata.")]
Timezone = Annotated[
    str | None, typer.Option(metavar="ZONE", help="The zone of times that state none, like Europe/Berlin.")
]
Delimiter = Annotated[
    str | None, typer.Option(help="The character between columns, or the word tab. Default: it is found.")
]
Refused = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="A new file for the refused rows. Default: FILE.refused.csv beside FILE."),
]
Unit = Annotated[str | None, typer.Option(help="The OU's id or slug. Required if there are several OUs.")]


def import_events(
    file: File,
    *,
    skip_triggers: SkipTriggers = False,
    columns: Columns = None,
    constants: Constants = None,
    metadata: Metadata = None,
    timezone: Timezone = None,
    delimiter: Delimiter = None,
    refused: Refused = None,
    unit: Unit = None,
) -> None:
    """Import events from a CSV file. Importing the same file again imports nothing twice.

    Rows that can't be imported are written to a new file. Correct them there and import that file with the same
    options. The exit code is 3 if rows were refused, and 1 if nothing was imported.
    """
    try:
        options = read_options(
            columns=columns or (),
            constants=constants or (),
            metadata=metadata,
            timezone=timezone,
            delimiter=delimiter,
            skip_triggers=skip_triggers,
        )
    except Invalid as problem:
        raise typer.BadParameter(problem.detail) from None
    if refused is not None and refused.exists():
        raise CommandError(f"{refused} exists already: move it away, or choose another file with --refused.")
    refused_rows = RefusedRows(refused or _free_path(file))
    try:
        with database.database_url() as url:
            outcome = asyncio.run(_import(url, file, unit, options, refused_rows))
    finally:
        refused_rows.close()
    _report(outcome, refused_rows)


def _free_path(file: Path) -> Path:
    """`FILE.refused.csv`, or with a number if that exists: an earlier file may be half corrected."""
    first = file.with_name(f"{file.name}.refused.csv")
    numbered = (file.with_name(f"{file.name}.refused-{number}.csv") for number in count(2))
    return next(path for path in chain([first], numbered) if not path.exists())


def _report(outcome: ImportResult, refused: RefusedRows) -> None:
    """Print the result. Raises typer.Exit unless all rows were imported."""
    console = Console(soft_wrap=True)
    for row in outcome.error_rows:
        console.print(printable(f"line {row.line}: {row.error}"), style="red", markup=False, highlight=False)
    for row in outcome.warnings:
        console.print(printable(f"line {row.line}: {row.warning}"), style="yellow", markup=False, highlight=False)
    if outcome.errors > len(outcome.error_rows):
        console.print(f"… and {outcome.errors - len(outcome.error_rows):,} more", style="red")
    if outcome.ignored_columns:
        console.print(
            f"Ignored columns: {', '.join(outcome.ignored_columns)}. Use --metadata rest to keep them, or --map.",
            markup=False,
            highlight=False,
        )
    repeated = f" ({outcome.repeated:,} of them were imported before)" if outcome.repeated else ""
    console.print(f"{outcome.imported:,} imported{repeated}, {outcome.errors:,} errors", highlight=False)
    if not refused.is_empty:
        console.print(f"The refused rows are in {refused.path}.", markup=False, highlight=False)
    if not outcome.imported:
        raise CommandError("Nothing was imported." if outcome.errors else "Nothing was imported: the file has no rows.")
    if outcome.errors:
        raise typer.Exit(SOME_ROWS_REFUSED)


async def _import(url: str, file: Path, unit: str | None, options: ImportOptions, refused: RefusedRows) -> ImportResult:
    size = (await asyncio.to_thread(file.stat)).st_size
    open_database(url, pool_size=2)
    try:
        await _check()
        unit_id, phone_region = await _find_unit(unit)
        columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("reading", total=size)
            keys = ImportKeys(_digest(file, lambda position: progress.update(bar, completed=position)))
            progress.reset(bar, description="importing")
            chunks = _chunks(file, lambda position: progress.update(bar, completed=position))
            return await import_csv(chunks, unit_id, options, keys, phone_region=phone_region, refused=refused)
    except Problem as problem:
        raise CommandError(f"{file}: {problem.detail}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as damaged:
        raise CommandError(f"{file} is damaged: {damaged}") from None
    except Exception as error:
        if is_transient(error):
            raise CommandError(f"The database can't be reached: {error}. {TRY_AGAIN}") from None
        if isinstance(error, OSError) and error.filename == str(refused.path):
            raise CommandError(
                f"The refused rows can't be written: {error}. Choose a file with --refused. {TRY_AGAIN}"
            ) from None
        raise
    finally:
        await close_database()


async def _check() -> None:
    async with transaction(None) as session:
        if not await is_current(await raw(session)):
            raise CommandError("The database schema is out of date: run `leadvibe migrate`.")


async def _find_unit(id_or_slug: str | None) -> tuple[str, str | None]:
    """The id and phone region of the OU to import into: the requested one, else the only one."""
    if id_or_slug is not None and not id_or_slug.isprintable():
        raise CommandError(f"There is no OU {id_or_slug!r}.")
    query = (
        select(OrgUnit.unit_id, OrgUnit.name, OrgUnit.phone_region)
        .order_by(OrgUnit.created_at)
        .limit(MAX_LISTED_UNITS + 1)
    )
    if id_or_slug is not None:
        query = query.where(or_(OrgUnit.unit_id == id_or_slug, OrgUnit.slug == id_or_slug))
    async with transaction(None) as session:
        units = (await session.execute(query)).all()
    if len(units) == 1:
        return units[0].unit_id, units[0].phone_region
    if not units:
        raise CommandError(
            f"There is no OU {id_or_slug!r}." if id_or_slug else "There is no OU yet: run `leadvibe serve` once."
        )
    names = ", ".join(f"{unit.unit_id} ({unit.name})" for unit in units[:MAX_LISTED_UNITS])
    raise CommandError(f"There are several OUs; choose one with --unit: {names}")


def _digest(file: Path, report: Callable[[int], None]) -> bytes:
    """SHA-256 of the uncompressed content, so that compression doesn't change it."""
    digest = hashlib.sha256()
    for chunk in _read(file, report):
        digest.update(chunk)
    return digest.digest()


async def _chunks(file: Path, report: Callable[[int], None]) -> AsyncGenerator[bytes]:
    for chunk in _read(file, report):
        yield chunk


def _read(file: Path, report: Callable[[int], None]) -> Generator[bytes]:
    """The uncompressed content in chunks; `report` is called with the position in the file."""
    with file.open("rb") as stored:
        is_compressed = stored.read(2) == b"\x1f\x8b"
        stored.seek(0)
        content = gzip.GzipFile(fileobj=stored) if is_compressed else stored
        while chunk := content.read(CHUNK_BYTES):
            report(stored.tell())
            yield chunk
