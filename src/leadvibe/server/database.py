"""The database of a command: the configured one, or the embedded PostgreSQL."""

import os
from collections.abc import Generator
from contextlib import contextmanager

from leadvibe.config import settings


@contextmanager
def database_url() -> Generator[str]:
    """The database's URL, also set in the settings; starts the embedded server for the block if it isn't running."""
    if (url := settings().database_url) is not None:
        yield url
        return
    from leadvibe.core.postgres import embedded  # noqa: PLC0415 - only the embedded server needs it

    with embedded.attached(settings().data_dir) as url:
        use_database(url)
        yield url


def use_database(url: str) -> None:
    """Use this database in this process and its children."""
    os.environ["LEADVIBE_DATABASE_URL"] = url
    settings.cache_clear()
