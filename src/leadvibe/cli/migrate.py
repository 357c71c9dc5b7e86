"""`leadvibe migrate`: update the database schema."""

import asyncio
from typing import Annotated

import typer

from leadvibe.config import settings
from leadvibe.server import database
from leadvibe.server.database_check import is_set_up
from leadvibe.server.first_start import first_start_file


def migrate(
    *,
    first_start: Annotated[
        bool, typer.Option("--first-start", help="Also create the first organization if there is none.")
    ] = False,
) -> None:
    """Update the database schema."""
    with database.database_url() as url:
        if asyncio.run(is_set_up(url)):
            return
        from leadvibe.core.database.migrations import migrate  # noqa: PLC0415 - slow, and rarely needed
        from leadvibe.server.database_setup import set_up  # noqa: PLC0415 - likewise

        if not first_start:
            asyncio.run(migrate(url))
        elif asyncio.run(set_up(settings(), settings().public_url or f"http://127.0.0.1:{settings().port}")):
            typer.echo(f"The first admin and credential are in {first_start_file(settings().data_dir)}")
