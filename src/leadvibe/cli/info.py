"""`leadvibe env` and `leadvibe version`: print facts about this installation."""

import shlex
from importlib import metadata

import typer

from leadvibe.config import settings
from leadvibe.core.command_error import CommandError
from leadvibe.server.first_start import first_start_file, load


def env() -> None:
    """Print the URL and credential of the first start for a shell: eval "$(leadvibe env)" sets URL and KEY."""
    first = load(settings().data_dir)
    if first is None:
        raise CommandError(f"No first-start file at {first_start_file(settings().data_dir)}; start the server first.")
    typer.echo(f"URL={shlex.quote(first.url)} KEY={shlex.quote(f'{first.client_id}:{first.client_secret}')}")


def version() -> None:
    """Print the version."""
    typer.echo(metadata.version("leadvibe-server"))
