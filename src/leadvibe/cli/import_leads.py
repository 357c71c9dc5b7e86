"""`leadvibe leads import`: a CSV of leads to a running server, previewed, mapped and watched until it is done."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from leadvibe.cli.client import Server
from leadvibe.core.command_error import CommandError
from leadvibe.identity.aliases import STRENGTH
from leadvibe.leads.importing.reading import MAX_FILE_BYTES

LOOK_AGAIN_SECONDS: Final = 0.2
SOME_ROWS_FAILED: Final = 3

File = Annotated[Path, typer.Argument(help="A CSV in UTF-8 with a header row.", exists=True, dir_okay=False)]
Primary = Annotated[
    str | None,
    typer.Option(metavar="COLUMN:KIND", help=f"What names each row's lead; a kind is one of {', '.join(STRENGTH)}."),
]
Aliases = Annotated[list[str] | None, typer.Option("--alias", metavar="COLUMN:KIND", help="A further alias.")]
Fields = Annotated[list[str] | None, typer.Option("--field", metavar="COLUMN:NAME", help="A field of the metadata.")]
AsJson = Annotated[bool, typer.Option("--json", help="The import as the server tells it, for programs.")]


def import_leads(
    context: typer.Context,
    file: File,
    *,
    primary: Primary = None,
    aliases: Aliases = None,
    fields: Fields = None,
    as_json: AsJson = False,
) -> None:
    """Import leads from a CSV; running it twice with one file is harmless. Asks what names a lead unless it is said."""
    said = None if primary is None else _pair("--primary", primary)
    alias_mappings, field_mappings = _pairs("--alias", aliases), _pairs("--field", fields)
    if file.stat().st_size > MAX_FILE_BYTES:
        raise CommandError(f"{file} is too large: a file may have {MAX_FILE_BYTES:,} bytes.")
    server: Server = context.obj()
    preview = server.post("/leads/import/preview", files={"file": (file.name, file.read_bytes(), "text/csv")})
    column, kind = said or _ask(preview)
    _tell_passed_over([name for name in preview["headers"] if name not in {column, *alias_mappings, *field_mappings}])
    body = {
        "file_id": preview["file_id"],
        "primary_identifier": {"column": column, "kind": kind},
        "alias_mappings": alias_mappings,
        "field_mappings": field_mappings,
    }
    job = _follow(server, server.post("/leads/import/start", json=body))
    if as_json:
        typer.echo(json.dumps(job, indent=2, ensure_ascii=False))
    else:
        _tell(job["result"])
    if job["status"] == "failed":
        raise CommandError(f"The import failed: {job['error']}")
    if job["result"]["failed"]:
        raise typer.Exit(SOME_ROWS_FAILED)


def _pair(option: str, text: str) -> tuple[str, str]:
    """A column, which may have colons in its name, and what stands behind the last one."""
    column, _, meaning = text.rpartition(":")
    if not column or not meaning:
        form = "COLUMN:NAME" if option == "--field" else "COLUMN:KIND"
        raise typer.BadParameter(f"{text!r} is not of the form {form}.", param_hint=option)
    return column, meaning


def _pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts or ():
        column, meaning = _pair(option, text)
        if column in pairs:
            raise typer.BadParameter(f"the column {column!r} is mapped twice.", param_hint=option)
        pairs[column] = meaning
    return pairs


def _ask(preview: dict[str, Any]) -> tuple[str, str]:
    """Which column names each row's lead; what looks most like it is proposed."""
    table = Table(*(escape(header) for header in preview["headers"]), title=f"{preview['row_count']:,} rows")
    for row in preview["sample_rows"]:
        table.add_row(*(Text(cell) for cell in row[: len(preview["headers"])]))
    Console(stderr=True).print(table)
    detected = preview["auto_detected_identifiers"]
    likely = [f"{column}:{kind}" for kind in STRENGTH for column in detected[f"{kind}_columns"]]
    answer = typer.prompt("Primary identifier (COLUMN:KIND)", default=next(iter(likely), None), err=True)
    return _pair("--primary", answer)


def _tell_passed_over(columns: Sequence[str]) -> None:
    """Who answers the question alone would miss them only later."""
    if columns:
        told = f"passed over: {', '.join(columns)} (--field and --alias say what a column is)"
        Console(stderr=True).print(told, markup=False, highlight=False)


def _follow(server: Server, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it is done."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("importing", total=job["progress"]["total"])
        while job["status"] in {"queued", "running"}:
            time.sleep(LOOK_AGAIN_SECONDS)
            job = server.get(f"/leads/import/{job['job_id']}")
            progress.update(bar, completed=job["progress"]["done"])
    return job


def _tell(result: dict[str, Any]) -> None:
    console = Console()
    for row in result["errors"]:
        console.print(f"line {row['line']}: {row['error']}", style="red", markup=False, highlight=False)
    if result["failed"] > len(result["errors"]):
        console.print(f"… and {result['failed'] - len(result['errors']):,} more", style="red", highlight=False)
    told = ", ".join(f"{result[name]:,} {name}" for name in ("created", "updated", "failed"))
    console.print(told, highlight=False)
