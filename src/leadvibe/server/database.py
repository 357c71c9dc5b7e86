"""The database of a command: the one that the settings name, or the embedded one."""

import os
from collections.abc import Generator
from contextlib import contextmanager

from leadvibe.config import settings


@contextmanager
def database_url() -> Generator[str]:
    """Its address, which the settings name from then on; the embedded server runs at least as long as this lasts."""
    if (url := settings().database_url) is not None:
        yield url
        return
    from leadvibe.core.postgres import embedded  # noqa: PLC0415 - with a server of its own nobody needs it

    with embedded.attached(settings().data_dir) as url:
        use_database(url)
        yield url


def use_database(url: str) -> None:
    """Make this the database of this process and of those that it starts."""
    os.environ["LEADVIBE_DATABASE_URL"] = url
    settings.cache_clear()
