"""The small commands: each process alone, the schema, what a shell wants to know."""

import asyncio
import gc
import shlex
import socket
from importlib import metadata
from typing import Annotated

import typer

from leadvibe.config import settings
from leadvibe.core.command_error import CommandError
from leadvibe.server import address, database
from leadvibe.server.first_start import note, remembered


def api(fd: Annotated[int | None, typer.Option(hidden=True, help="A listening socket to inherit.")] = None) -> None:
    """Answer HTTP requests."""
    gc.disable()  # what is imported stays: to search it for garbage takes a fifth of the start
    import uvicorn  # noqa: PLC0415 - only this command needs it

    from leadvibe.core.interpreter_tuning import shorten_switch_interval  # noqa: PLC0415 - likewise
    from leadvibe.core.logs import start_logging  # noqa: PLC0415 - likewise
    from leadvibe.server.app import create_app  # noqa: PLC0415 - likewise

    start_logging(settings().log_level, as_json=settings().log_json)
    shorten_switch_interval()
    listening = socket.socket(fileno=fd) if fd is not None else address.listen(settings().host, settings().port)
    config = uvicorn.Config(
        create_app(),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    gc.freeze()
    gc.enable()
    with database.database_url():
        server = uvicorn.Server(config)
        server.run(sockets=[listening])
    if not server.started:
        raise typer.Exit(1)


def worker() -> None:
    """Score waiting events and run background jobs."""
    import uvloop  # noqa: PLC0415 - only this command needs it

    from leadvibe.core.logs import start_logging  # noqa: PLC0415 - likewise
    from leadvibe.server import worker as work  # noqa: PLC0415 - likewise

    start_logging(settings().log_level, as_json=settings().log_json)
    with database.database_url():
        uvloop.run(work.run())


def migrate(
    *,
    first_start: Annotated[
        bool, typer.Option("--first-start", help="Found an organization where there is none.")
    ] = False,
) -> None:
    """Bring the database's schema up to date."""
    from leadvibe.core.database.migrations import migrate  # noqa: PLC0415 - only this command needs it
    from leadvibe.server.inspection import is_prepared  # noqa: PLC0415 - likewise
    from leadvibe.server.preparation import prepare  # noqa: PLC0415 - likewise

    with database.database_url() as url:
        if asyncio.run(is_prepared(url)):
            return
        if not first_start:
            asyncio.run(migrate(url))
        elif asyncio.run(prepare(settings(), settings().public_url or f"http://127.0.0.1:{settings().port}")):
            typer.echo(f"The first admin and credential are in {note(settings().data_dir)}")


def env() -> None:
    """Print the first start's address and credential for a shell: eval "$(leadvibe env)" sets URL and KEY."""
    first = remembered(settings().data_dir)
    if first is None:
        raise CommandError(f"There is nothing to read in {note(settings().data_dir)}: start the server first.")
    typer.echo(f"URL={shlex.quote(first.url)} KEY={shlex.quote(f'{first.client_id}:{first.client_secret}')}")


def version() -> None:
    """Print the version."""
    typer.echo(metadata.version("leadvibe-server"))
