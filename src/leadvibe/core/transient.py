"""Distinguishes transient failures (a deadlock, a lost connection) from permanent ones."""

from collections.abc import Iterator
from typing import Final

import asyncpg
from asyncpg.exceptions import PostgresSystemError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

TRANSIENT: Final = (
    asyncpg.PostgresConnectionError,  # 08
    asyncpg.TransactionRollbackError,  # 40: serialization failures and deadlocks
    asyncpg.InsufficientResourcesError,  # 53
    asyncpg.OperatorInterventionError,  # 57: the server stops
    asyncpg.ObjectInUseError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    PostgresSystemError,  # 58
    asyncpg.InternalClientError,  # the server died during a statement
    asyncpg.InvalidCachedStatementError,  # a migration ran meanwhile
    NoConnectionFree,
    OSError,
    TimeoutError,
)


def is_transient(error: BaseException) -> bool:
    """Whether a later attempt may succeed."""
    return any(_is_transient(cause) for cause in _causes(error))


def is_disk_full(error: BaseException) -> bool:
    """Whether the database has no room on its disk."""
    return any(isinstance(cause, asyncpg.DiskFullError) for cause in _causes(error))


def _is_transient(cause: BaseException) -> bool:
    if isinstance(cause, asyncpg.InterfaceError):
        # A connection that was lost during a statement; arguments of a wrong type are permanent errors.
        return not isinstance(cause, asyncpg.exceptions.DataError | ValueError | TypeError)
    return isinstance(cause, TRANSIENT)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and the errors it wraps; SQLAlchemy keeps the driver's in `orig`."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [e for e in (getattr(current, "orig", None), current.__cause__) if isinstance(e, BaseException)]
