"""`leadvibe leads import`: uploads a CSV of leads to a running server, maps its columns and follows the import."""

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
from leadvibe.core.printable import printable
from leadvibe.identity.aliases import STRENGTH
from leadvibe.leads.importing.reading import MAX_FILE_BYTES

POLL_SECONDS: Final = 0.2
SOME_ROWS_FAILED: Final = 3

File = Annotated[Path, typer.Argument(help="A CSV file with a header row.", exists=True, dir_okay=False)]
Primary = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN:KIND", help=f"The column that identifies the lead. KIND is one of {', '.join(STRENGTH)}."
    ),
]
Aliases = Annotated[
    list[str] | None, typer.Option("--alias", metavar="COLUMN:KIND", help="A column with another alias of the lead.")
]
Fields = Annotated[
    list[str] | None, typer.Option("--field", metavar="COLUMN:NAME", help="A column to store as a metadata field.")
]
Delimiter = Annotated[
    str | None, typer.Option(help="The character between columns, or the word tab. Default: it is found.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the import job as JSON.")]


def import_leads(
    context: typer.Context,
    file: File,
    *,
    primary: Primary = None,
    aliases: Aliases = None,
    fields: Fields = None,
    delimiter: Delimiter = None,
    as_json: AsJson = False,
) -> None:
    """Import leads from a CSV file. Asks for the identifying column unless --primary is given.

    Importing the same file again changes nothing.
    """
    identifier = None if primary is None else _pair("--primary", primary)
    alias_mappings, field_mappings = _pairs("--alias", aliases), _pairs("--field", fields)
    if file.stat().st_size > MAX_FILE_BYTES:
        raise CommandError(f"{file} is too large: a file may have {MAX_FILE_BYTES:,} bytes.")
    server: Server = context.obj()
    preview = server.post(
        "/leads/import/preview",
        files={"file": (file.name, file.read_bytes(), "text/csv")},
        params={} if delimiter is None else {"delimiter": delimiter},
    )
    for warning in preview["warnings"]:
        Console(stderr=True).print(printable(f"Warning: {warning}."), markup=False, highlight=False)
    column, kind = identifier or _ask_identifier(preview)
    _warn_ignored([name for name in preview["headers"] if name not in {column, *alias_mappings, *field_mappings}])
    body = {
        "file_id": preview["file_id"],
        "primary_identifier": {"column": column, "kind": kind},
        "alias_mappings": alias_mappings,
        "field_mappings": field_mappings,
    }
    job = _follow(server, server.post("/leads/import/start", json=body))
    if as_json:
        typer.echo(printable(json.dumps(job, indent=2, ensure_ascii=False), lines=True))
    else:
        _print_result(job["result"])
    if job["status"] == "failed":
        raise CommandError(f"The import failed: {job['error']}")
    if job["result"]["failed"]:
        raise typer.Exit(SOME_ROWS_FAILED)


def _pair(option: str, text: str) -> tuple[str, str]:
    """Split at the last colon: a column name may contain colons."""
    column, _, target = text.rpartition(":")
    if not column or not target:
        form = "COLUMN:NAME" if option == "--field" else "COLUMN:KIND"
        raise typer.BadParameter(f"{text!r} must have the form {form}.", param_hint=option)
    return column, target


def _pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts or ():
        column, target = _pair(option, text)
        if column in pairs:
            raise typer.BadParameter(f"column {column!r} is mapped twice.", param_hint=option)
        pairs[column] = target
    return pairs


def _ask_identifier(preview: dict[str, Any]) -> tuple[str, str]:
    """Ask which column identifies the lead; the best detected column is the default."""
    table = Table(*(escape(printable(header)) for header in preview["headers"]), title=f"{preview['row_count']:,} rows")
    for row in preview["sample_rows"]:
        table.add_row(*(Text(printable(cell)) for cell in row[: len(preview["headers"])]))
    Console(stderr=True).print(table)
    detected = preview["auto_detected_identifiers"]
    likely = [f"{column}:{kind}" for kind in STRENGTH for column in detected[f"{kind}_columns"]]
    answer = typer.prompt("Primary identifier (COLUMN:KIND)", default=next(iter(likely), None), err=True)
    return _pair("--primary", answer)


def _warn_ignored(columns: Sequence[str]) -> None:
    if columns:
        warning = f"Ignored columns: {', '.join(columns)}. Use --field or --alias to import a column."
        Console(stderr=True).print(printable(warning), markup=False, highlight=False)


def _follow(server: Server, job: dict[str, Any]) -> dict[str, Any]:
    """Wait for the job and return it as it ended."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("importing", total=job["progress"]["total"])
        while job["status"] in {"queued", "running"}:
            time.sleep(POLL_SECONDS)
            job = server.get(f"/leads/import/{job['job_id']}")
            progress.update(bar, completed=job["progress"]["done"])
    return job


def _print_result(result: dict[str, Any]) -> None:
    console = Console()
    for row in result["errors"]:
        console.print(printable(f"line {row['line']}: {row['error']}"), style="red", markup=False, highlight=False)
    if result["failed"] > len(result["errors"]):
        console.print(f"… and {result['failed'] - len(result['errors']):,} more", style="red", highlight=False)
    counts = ", ".join(f"{result[name]:,} {name}" for name in ("created", "updated", "failed"))
    console.print(counts, highlight=False)
