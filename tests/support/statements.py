"""Hears every SQL statement that the program sends, whichever way it sends it."""

import functools
from collections.abc import Callable
from typing import Any

from asyncpg.connection import Connection

PROGRAM = "leadvibe"
"""The application name of the program's own connections; migrations and the tests' looks have others."""


def listen(hear: Callable[[str], None]) -> None:
    """Have `hear` called with each statement, for as long as this process lives.

    asyncpg's query loggers miss prepared statements, and SQLAlchemy prepares all of its own; so this stands where
    every statement passes: prepared, simple, and COPY.
    """
    for method in ("_get_statement", "execute", "_copy_in", "_copy_out"):
        setattr(Connection, method, _heard(getattr(Connection, method), hear))


def _heard(original: Callable[..., Any], hear: Callable[[str], None]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def send(connection: Any, statement: str, *arguments: Any, **options: Any) -> Any:
        if (connection._params.server_settings or {}).get("application_name") == PROGRAM:
            hear(statement)
        return await original(connection, statement, *arguments, **options)

    return send
