"""`leadvibe export`: the events of a running server as CSV, over HTTP."""

import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Final

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from leadvibe.config import settings
from leadvibe.core.ranges import Range
from leadvibe.core.startup import CannotStart
from leadvibe.first_start import remembered

STDOUT: Final = "-"
PATIENCE: Final = httpx.Timeout(30, read=120)

Destination = Annotated[str, typer.Argument(metavar="FILE|-", help="Where to: a file, or - for standard output.")]
Server = Annotated[str | None, typer.Option(envvar="LEADVIBE_URL", help="By default, that of the first start here.")]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="LEADVIBE_KEY", help="client_id:client_secret of an API credential; by default, that of the first start."
    ),
]
LeadId = Annotated[str | None, typer.Option(help="Only this lead's events.")]
EventType = Annotated[str | None, typer.Option(help="Only events of this type.")]
When = Annotated[Range, typer.Option("--range", help="Only what happened then.")]


def export_events(
    file: Destination,
    *,
    url: Server = None,
    key: Key = None,
    lead_id: LeadId = None,
    event_type: EventType = None,
    when: When = Range.ALL,
) -> None:
    """Export an OU's events as CSV, newest first. A file is there whole or not at all."""
    address, credential = _server(url, key)
    wanted = {"lead_id": lead_id, "event_type": event_type, "range": when.value}
    narrowed = {name: value for name, value in wanted.items() if value is not None}
    try:
        with (
            httpx.Client(base_url=address, auth=credential, timeout=PATIENCE) as client,
            _opened(file) as written,
        ):
            _copy(client, narrowed, written)
    except httpx.InvalidURL as error:
        raise CannotStart(f"{address} is no address: {error}") from None
    except httpx.TransportError as error:
        raise CannotStart(f"The export from {address} broke off: {error or type(error).__name__}") from None
    except BrokenPipeError:
        # Whoever read has enough; Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except OSError as error:
        raise CannotStart(f"{file}: {error.strerror}") from None


def _server(url: str | None, key: str | None) -> tuple[str, httpx.BasicAuth]:
    first = remembered(settings().data_dir)
    url = url or (first and first.url)
    key = key or (first and f"{first.client_id}:{first.client_secret}")
    if url is None or key is None:
        raise CannotStart("No server is known here: give --url and --key, or LEADVIBE_URL and LEADVIBE_KEY.")
    client_id, _, secret = key.partition(":")
    return url, httpx.BasicAuth(client_id, secret)


@contextmanager
def _opened(file: str) -> Generator[IO[bytes]]:
    """Where to write: what is incomplete never stands under the file's name."""
    if file == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    whole = Path(file)
    part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as written:
            yield written
        part.replace(whole)
    finally:
        part.unlink(missing_ok=True)


def _copy(client: httpx.Client, narrowed: Mapping[str, str], written: IO[bytes]) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("exporting", total=_count(client, narrowed))
        with client.stream("GET", "/events/export", params=narrowed) as response:
            _check(response)
            lines = -1  # the header is none of the events
            for piece in response.iter_bytes():
                written.write(piece)
                lines += piece.count(b"\n")
                progress.update(bar, completed=max(0, lines))
        progress.update(bar, total=lines)


def _count(client: httpx.Client, narrowed: Mapping[str, str]) -> int | None:
    """How many rows there will be, more or less; None where the server doesn't say."""
    response = client.get("/events", params={**narrowed, "limit": 1})
    _check(response)
    told = response.headers.get("X-Total-Count")
    return None if told is None else int(told)


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    response.read()
    try:
        told = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        told = f"it answered {response.status_code}"
    raise CannotStart(f"{response.url.copy_with(query=None)}: {told}")
