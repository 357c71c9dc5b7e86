"""Tells failures that pass (a deadlock, a lost connection) from those that would only repeat themselves."""

from collections.abc import Iterator
from typing import Final

import asyncpg
from asyncpg.exceptions import PostgresSystemError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

PASSING: Final = (
    asyncpg.PostgresConnectionError,  # 08
    asyncpg.TransactionRollbackError,  # 40: serialization failures and deadlocks
    asyncpg.InsufficientResourcesError,  # 53
    asyncpg.OperatorInterventionError,  # 57: the server stops
    asyncpg.ObjectInUseError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    PostgresSystemError,  # 58
    asyncpg.InternalClientError,  # the driver lost its place when the server died under a statement
    asyncpg.InvalidCachedStatementError,  # a migration ran beside us
    NoConnectionFree,
    OSError,
    TimeoutError,
)


def is_transient(error: BaseException) -> bool:
    """Whether trying again later can help."""
    return any(_passes(cause) for cause in _causes(error))


def _passes(cause: BaseException) -> bool:
    if isinstance(cause, asyncpg.InterfaceError):
        # A connection that went away under a statement; but an argument of the wrong kind stays wrong.
        return not isinstance(cause, asyncpg.exceptions.DataError | ValueError | TypeError)
    return isinstance(cause, PASSING)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it wraps: SQLAlchemy keeps the driver's in `orig`."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [e for e in (getattr(current, "orig", None), current.__cause__) if isinstance(e, BaseException)]
