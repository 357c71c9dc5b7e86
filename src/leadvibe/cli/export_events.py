"""`leadvibe export`: the events of a running server as CSV, over HTTP."""

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

Destination = Annotated[str, typer.Argument(metavar="FILE|-", help="Where to: a file, or - for standard output.")]
LeadId = Annotated[str | None, typer.Option(help="Only this lead's events.")]
EventType = Annotated[str | None, typer.Option(help="Only events of this type.")]
When = Annotated[Range, typer.Option("--range", help="Only what happened then.")]


def export_events(
    file: Destination,
    *,
    url: Url = None,
    key: Key = None,
    unit: Unit = None,
    lead_id: LeadId = None,
    event_type: EventType = None,
    when: When = Range.ALL,
) -> None:
    """Export an OU's events as CSV, newest first. A file is there whole or not at all."""
    narrowed = {"lead_id": lead_id, "event_type": event_type, "range": when.value}
    server = remote.Server(url, key, unit)
    try:
        with _opened(file) as written:
            _copy(server, narrowed, written)
    except BrokenPipeError:
        # Whoever read has enough; Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None


@contextmanager
def _opened(file: str) -> Generator[IO[bytes]]:
    """Where to write: what is incomplete never stands under the file's name."""
    if file == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    whole = Path(file)
    if whole.is_dir():
        raise CommandError(f"{file} is a directory")
    part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as written:
            yield written
        part.replace(whole)
    finally:
        part.unlink(missing_ok=True)


def _copy(server: remote.Server, narrowed: Mapping[str, str | None], written: IO[bytes]) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("exporting", total=server.count("/events", **narrowed))
        lines = -1  # the header is none of the events
        for piece in server.pieces("/events/export", **narrowed):
            written.write(piece)
            lines += piece.count(b"\n")
            progress.update(bar, completed=max(0, lines))
        progress.update(bar, total=lines)
