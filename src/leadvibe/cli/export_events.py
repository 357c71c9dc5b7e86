"""`leadvibe export`: exports the events of a running server as CSV, over HTTP."""

import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from leadvibe.cli import client as remote
from leadvibe.cli.client import Key, Unit, Url
from leadvibe.core.command_error import CommandError
from leadvibe.core.ranges import Range

STDOUT: Final = "-"

Destination = Annotated[str, typer.Argument(metavar="FILE|-", help="The file to write, or - for standard output.")]
LeadId = Annotated[str | None, typer.Option(help="Only this lead's events.")]
EventType = Annotated[str | None, typer.Option(help="Only events of this type.")]
When = Annotated[Range, typer.Option("--range", help="Only events in this time range.")]
Raw = Annotated[
    bool, typer.Option("--raw", help="Don't put an apostrophe before values that a spreadsheet would run as a formula.")
]


def export_events(
    file: Destination,
    *,
    url: Url = None,
    key: Key = None,
    unit: Unit = None,
    lead_id: LeadId = None,
    event_type: EventType = None,
    when: When = Range.ALL,
    raw: Raw = False,
) -> None:
    """Export an OU's events as CSV, newest first. An incomplete file is never left behind."""
    filters = {"lead_id": lead_id, "event_type": event_type, "range": when.value}
    server = remote.Server(url, key, unit)
    try:
        with _open(file) as output:
            _copy(server, filters, output, raw=raw)
    except BrokenPipeError:
        # The reader closed the pipe. Python would report that again when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None


@contextmanager
def _open(file: str) -> Generator[IO[bytes]]:
    """Standard output, or a temporary file that gets the file's name when it is complete."""
    if file == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(file)
    if target.is_dir():
        raise CommandError(f"{file} is a directory")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as output:
            yield output
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(server: remote.Server, filters: Mapping[str, str | None], output: IO[bytes], *, raw: bool) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("exporting", total=server.count("/events", **filters))
        lines = -1  # without the header
        for chunk in server.stream("/events/export", **filters, raw="true" if raw else None):
            output.write(chunk)
            lines += chunk.count(b"\n")
            progress.update(bar, completed=max(0, lines))
        progress.update(bar, total=lines)
