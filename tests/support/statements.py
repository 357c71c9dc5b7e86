"""Observes every SQL statement that the application sends."""

import functools
from collections.abc import Callable
from typing import Any

from asyncpg.connection import Connection

APPLICATION = "leadvibe"
"""The application name of the application's connections. Migrations and tests connect under other names."""


def observe(callback: Callable[[str], None]) -> None:
    """Call `callback` with each statement until the process ends.

    asyncpg's query loggers don't report prepared statements, and SQLAlchemy prepares all its statements. So this wraps
    the methods of a connection through which prepared statements, simple statements and COPY pass.
    """
    for method in ("_get_statement", "execute", "_copy_in", "_copy_out"):
        setattr(Connection, method, observed(getattr(Connection, method), callback))


def observed(original: Callable[..., Any], callback: Callable[[str], None]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def send(connection: Any, statement: str, *arguments: Any, **options: Any) -> Any:
        if (connection._params.server_settings or {}).get("application_name") == APPLICATION:
            callback(statement)
        return await original(connection, statement, *arguments, **options)

    return send
