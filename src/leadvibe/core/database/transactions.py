"""The process's database engine, and the only function that opens and commits transactions."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from enum import Enum
from typing import Any, Final, cast

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


CLOSE_TIMEOUT_SECONDS: Final = 2.0
"""How long closing waits for the server; then connections are terminated."""
TRANSACTION_TIMEOUT_SINCE: Final = 17
"""The first version of PostgreSQL that has `transaction_timeout`."""
TIMEOUT_MARGIN: Final = timedelta(seconds=5)
"""The database stops a statement only if the process that sent it has failed to."""


class Pool(Enum):
    """What a connection may be used for. Work of one kind can't take the connections of another."""

    ORDINARY = "ordinary"
    INGEST = "ingest"
    ACCESS = "access"
    """Sign-in and readiness."""


_pool: ContextVar[Pool] = ContextVar("pool", default=Pool.ORDINARY)


class OutsideScope(Exception):
    """A flush would have written a row of another OU. This is a bug; nothing was written."""


class Database:
    """A process's connections to PostgreSQL."""

    def __init__(
        self, url: str, *, pool_size: int = 10, reserved: int = 0, transaction_limit: timedelta | None = None
    ) -> None:
        """`reserved` is the number of connections for each other pool; without it, all work shares one pool.

        PostgreSQL ends a transaction that takes longer than `transaction_limit`.
        """
        self.url = url
        self.engine: AsyncEngine = _create_engine(url, pool_size, transaction_limit)
        engines = dict.fromkeys(Pool, self.engine)
        if reserved:
            for pool in (Pool.INGEST, Pool.ACCESS):
                engines[pool] = _create_engine(url, reserved, transaction_limit)
        self.sessions = {pool: async_sessionmaker(engine, expire_on_commit=False) for pool, engine in engines.items()}
        self.open_connections = OpenConnections()
        self._engines = list({id(engine): engine for engine in engines.values()}.values())
        for engine in self._engines:
            self.open_connections.watch(engine)

    async def close(self) -> None:
        """Close all connections; those in use, and those that the server doesn't close in time, are terminated."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                for engine in self._engines:
                    await engine.dispose()
        finally:
            self.open_connections.terminate()


def _create_engine(url: str, pool_size: int, transaction_limit: timedelta | None) -> AsyncEngine:
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=False,
        hide_parameters=True,  # errors are logged, and parameters contain personal data
        connect_args={"server_settings": {**SERVER_SETTINGS, **_timeouts(transaction_limit)}, "timeout": 10},
    )
    if transaction_limit is not None:

        async def set_limit(driver: asyncpg.Connection) -> None:
            await driver.execute(f"SET transaction_timeout = {_milliseconds(transaction_limit)}")

        @event.listens_for(engine.sync_engine, "connect")
        def limit_transactions(connection: Any, _record: object) -> None:
            if connection.driver_connection.get_server_version().major >= TRANSACTION_TIMEOUT_SINCE:
                connection.run_async(set_limit)

    return engine


def _timeouts(transaction_limit: timedelta | None) -> dict[str, str]:
    if transaction_limit is None:
        return {}
    limit = str(_milliseconds(transaction_limit))
    return {"statement_timeout": limit, "idle_in_transaction_session_timeout": limit}


def _milliseconds(limit: timedelta) -> int:
    return (limit + TIMEOUT_MARGIN) // timedelta(milliseconds=1)


def sqlalchemy_url(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+asyncpg")


def asyncpg_dsn(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class _Current:
    database: Database | None = None


def open_database(
    url: str, *, pool_size: int = 10, reserved: int = 0, transaction_limit: timedelta | None = None
) -> Database:
    """Open the database at `url` as this process's database."""
    _Current.database = Database(url, pool_size=pool_size, reserved=reserved, transaction_limit=transaction_limit)
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
async def opened_database(
    url: str | None, *, pool_size: int, reserved: int = 0, transaction_limit: timedelta | None = None
) -> AsyncGenerator[Database]:
    """Open this process's database for the block; if one is already open, use that and leave it open."""
    if _Current.database is not None:
        yield _Current.database
        return
    if url is None:
        raise CommandError(
            "No database is configured: set LEADVIBE_DATABASE_URL, or start the server with `leadvibe serve`."
        )
    try:
        yield open_database(url, pool_size=pool_size, reserved=reserved, transaction_limit=transaction_limit)
    finally:
        await close_database()


def database() -> Database:
    if _Current.database is None:
        raise RuntimeError("no database is open in this process")
    return _Current.database


class connections_of:  # noqa: N801 - used like a function; a generator would cost every event two microseconds
    """Transactions of this task in the block use the connections of this pool."""

    __slots__ = ("_pool", "_token")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __enter__(self) -> None:
        self._token = _pool.set(self._pool)

    def __exit__(self, *_: object) -> None:
        _pool.reset(self._token)


@asynccontextmanager
async def transaction(
    scope: OrgScope | None, *, isolation: str | None = None, pool: Pool | None = None
) -> AsyncGenerator[AsyncSession]:
    """A transaction that commits at the end of the block, or rolls back if the block raises.

    With a `Scope` the session is restricted to its OU. `isolation="REPEATABLE READ"` makes several reads agree.
    Without a `pool`, the connection is from the pool of the surrounding `connections_of`.
    """
    async with database().sessions[pool or _pool.get()]() as session, session.begin():
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
