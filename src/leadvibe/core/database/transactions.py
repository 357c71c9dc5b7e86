"""The process's database engine, and the only function that opens and commits transactions."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import cast

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, with_loader_criteria

from leadvibe.core.command_error import CommandError
from leadvibe.core.database.models import Tenant
from leadvibe.core.database.open_connections import OpenConnections
from leadvibe.core.scope import OrgScope, Scope

SERVER_SETTINGS = {
    "application_name": "leadvibe",
    "jit": "off",
    "timezone": "UTC",
    # A worker host that disappears must not keep its locks.
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


CLOSE_TIMEOUT_SECONDS = 2.0
"""How long closing waits for the server; then connections are terminated."""


class OutsideScope(Exception):
    """A flush would have written a row of another OU. This is a bug; nothing was written."""


class Database:
    """A process's connections to PostgreSQL."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=30,
            pool_pre_ping=False,
            hide_parameters=True,  # errors are logged, and parameters contain personal data
            connect_args={"server_settings": SERVER_SETTINGS, "timeout": 10},
        )
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self.open_connections = OpenConnections()
        self.open_connections.watch(self.engine)

    async def close(self) -> None:
        """Close all connections; those in use, and those that the server doesn't close in time, are terminated."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await self.engine.dispose()
        finally:
            self.open_connections.terminate()


def sqlalchemy_url(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+asyncpg")


def asyncpg_dsn(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class _Current:
    database: Database | None = None


def open_database(url: str, *, pool_size: int = 10) -> Database:
    """Open the database at `url` as this process's database."""
    _Current.database = Database(url, pool_size=pool_size)
    return _Current.database


async def close_database() -> None:
    database, _Current.database = _Current.database, None
    if database is not None:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await database.close()


def terminate_connections() -> None:
    """Terminate the connections of this process's database, and open no more."""
    if _Current.database is not None:
        _Current.database.open_connections.terminate()


@asynccontextmanager
async def opened_database(url: str | None, *, pool_size: int) -> AsyncGenerator[Database]:
    """Open this process's database for the block; if one is already open, use that and leave it open."""
    if _Current.database is not None:
        yield _Current.database
        return
    if url is None:
        raise CommandError(
            "No database is configured: set LEADVIBE_DATABASE_URL, or start the server with `leadvibe serve`."
        )
    try:
        yield open_database(url, pool_size=pool_size)
    finally:
        await close_database()


def database() -> Database:
    if _Current.database is None:
        raise RuntimeError("no database is open in this process")
    return _Current.database


@asynccontextmanager
async def transaction(scope: OrgScope | None, *, isolation: str | None = None) -> AsyncGenerator[AsyncSession]:
    """A transaction that commits at the end of the block, or rolls back if the block raises.

    With a `Scope` the session is restricted to its OU. `isolation="REPEATABLE READ"` makes several reads agree.
    """
    async with database().sessions() as session, session.begin():
        session.info["scope"] = scope
        if isolation is not None:
            await session.connection(execution_options={"isolation_level": isolation})
        yield session


@contextmanager
def confined_to(session: AsyncSession, scope: Scope) -> Generator[None]:
    """Restrict the session to another OU during the block, for operations on all OUs of an organization."""
    before = session.info["scope"]
    session.info["scope"] = scope
    try:
        yield
    finally:
        session.info["scope"] = before


async def raw(session: AsyncSession) -> asyncpg.Connection:
    """The session's asyncpg connection, inside its transaction; for COPY and unnest in performance-critical code."""
    connection = await session.connection()
    fairy = await connection.get_raw_connection()
    driver = cast("asyncpg.Connection", fairy.driver_connection)
    if not driver.is_in_transaction():
        # SQLAlchemy begins the transaction with its first own statement; until then the raw connection autocommits.
        await connection.exec_driver_sql("SELECT 1")
    if not driver.is_in_transaction():
        raise RuntimeError("the raw connection is outside the session's transaction")
    return driver


@asynccontextmanager
async def listening_connection() -> AsyncGenerator[asyncpg.Connection]:
    """A connection outside the pool, for LISTEN."""
    own = database()
    own.open_connections.check()
    connection = await asyncpg.connect(asyncpg_dsn(own.url), server_settings=SERVER_SETTINGS, timeout=10)
    own.open_connections.add(connection)
    try:
        yield connection
    finally:
        # An error of closing must not replace the block's: a CancelledError would be lost.
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=CLOSE_TIMEOUT_SECONDS)


def _unit_of(session: Session) -> str | None:
    scope = session.info.get("scope")
    return scope.unit_id if isinstance(scope, Scope) else None


@event.listens_for(Session, "do_orm_execute")
def confine(state: ORMExecuteState) -> None:
    """Add a condition on the OU to every statement on a tenant table."""
    unit_id = _unit_of(state.session)
    if unit_id is not None and not state.is_column_load and (state.is_select or state.is_update or state.is_delete):
        state.statement = state.statement.options(
            with_loader_criteria(Tenant, lambda entity: entity.unit_id == unit_id, include_aliases=True)
        )


@event.listens_for(Session, "before_flush")
def refuse_foreign_rows(session: Session, _context: UOWTransaction, _instances: object) -> None:
    unit_id = _unit_of(session)
    if unit_id is None:
        return
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, Tenant) and row.unit_id != unit_id:
            raise OutsideScope(f"{type(row).__name__} of another OU")
