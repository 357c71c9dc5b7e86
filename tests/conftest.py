"""Fixtures of all tests: a database for each test, the application on it, and clients with different identities.

Async tests need no mark. `client` is the Owner of an OU, `viewer` and `operator` are other members of the OU, and
`basic` is its API credential. `neighbour` owns another OU of the same organization, `stranger` an OU of another
organization, and `anonymous` has no credentials. Each is an httpx client that also has its `unit_id`, `org_id` and
`member_id`.
"""

import os
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

import pytest
import structlog

from leadvibe.core.database.transactions import close_database, open_database
from support import statements
from support.callers import Caller, caller
from support.drift import check_drift
from support.lifespan import running
from support.make import Make
from support.postgres import SERVER_VARIABLE, EmbeddedServer, Postgres, TestDatabase
from support.tenancy import Confinement
from support.world import World, create_world

os.environ["LEADVIBE_SECRET_KEY"] = "a key for tests, as long as a key should be"
os.environ["LEADVIBE_LOG_LEVEL"] = "WARNING"
for setting in ("LEADVIBE_DATABASE_URL", "LEADVIBE_DATA_DIR", "LEADVIBE_JWKS_URL"):
    os.environ.pop(setting, None)  # settings of the developer's own server don't apply to tests

structlog.configure(
    wrapper_class=structlog.make_filtering_bound_logger("warning"),
    processors=[
        structlog.processors.add_log_level,
        # The default formatter shows local variables, which takes half a minute for those of an event loop.
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ],
)

confinement = Confinement()
statements.observe(confinement.check_statement)

RUN = pytest.StashKey[str]()
SERVER = pytest.StashKey[EmbeddedServer]()


def _server_url(config: pytest.Config) -> str:
    """The server of this run: the one that is configured, or an embedded one, which is started on first use."""
    if url := os.environ.get(SERVER_VARIABLE):
        return url
    if SERVER not in config.stash:
        config.stash[SERVER] = EmbeddedServer()
    return config.stash[SERVER].url


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RUN] = secrets.token_hex(4)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Number bytes, since compressed ones contain the time: xdist's processes must collect the same ids."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each of xdist's processes the URL of the server."""
    node.workerinput["postgres"] = (_server_url(node.config), node.config.stash[RUN])


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVER in config.stash:
        config.stash[SERVER].stop()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Generator[Postgres]:
    from_controller = getattr(pytestconfig, "workerinput", {}).get("postgres")
    url, run = from_controller or (_server_url(pytestconfig), pytestconfig.stash[RUN])
    server = Postgres(url, run)
    yield server
    server.close()


@pytest.fixture(scope="session")
def world_template(postgres: Postgres) -> tuple[str, World]:
    name, description = postgres.template(create_world)
    return name, World.of(description)


@pytest.fixture
async def database(postgres: Postgres, world_template: tuple[str, World]) -> AsyncGenerator[TestDatabase]:
    """A migrated database with only the organizations of `world`. The application's engine is open on it."""
    name = postgres.clone(world_template[0])
    url = postgres.database_url(name)
    open_database(url, pool_size=5, reserved=2)
    own = TestDatabase(url)
    try:
        yield own
        await check_drift(own)
    finally:
        await own.close()
        await close_database()
        postgres.drop(name)


@pytest.fixture(scope="session")
def application() -> Any:
    """The unmodified application. One object serves all tests, because building its routes is slow.

    All its other state is created at each start.
    """
    from leadvibe.server.app import create_app

    return create_app()


@pytest.fixture
async def app(application: Any, database: TestDatabase) -> AsyncGenerator[Any]:
    """The application, started."""
    async with running(application):
        yield application


@pytest.fixture
def world(world_template: tuple[str, World]) -> World:
    """The names, ids and secrets of the identities in the template database."""
    return world_template[1]


@pytest.fixture
async def client(app: Any, world: World) -> AsyncGenerator[Caller]:
    """The admin and Owner, signed in to its OU."""
    async with caller(app, world.admin) as own:
        yield own


@pytest.fixture
async def operator(app: Any, world: World) -> AsyncGenerator[Caller]:
    async with caller(app, world.operator) as own:
        yield own


@pytest.fixture
async def viewer(app: Any, world: World) -> AsyncGenerator[Caller]:
    async with caller(app, world.viewer) as own:
        yield own


@pytest.fixture
async def basic(app: Any, world: World) -> AsyncGenerator[Caller]:
    """A client with the OU's API credential."""
    async with caller(app, world.credential) as own:
        yield own


@pytest.fixture
async def neighbour(app: Any, world: World) -> AsyncGenerator[Caller]:
    """The Owner of another OU of the same organization, not an admin."""
    async with caller(app, world.neighbour) as own:
        yield own


@pytest.fixture
async def stranger(app: Any, world: World) -> AsyncGenerator[Caller]:
    """The admin and Owner of another organization."""
    async with caller(app, world.stranger) as own:
        yield own


@pytest.fixture
async def anonymous(app: Any) -> AsyncGenerator[Caller]:
    async with caller(app, None) as own:
        yield own


@pytest.fixture
def drain(app: Any) -> Callable[[], Awaitable[None]]:
    """A function that returns after all events accepted so far are processed."""
    from leadvibe.server import worker

    async def until_empty() -> None:
        await worker.drain()

    return until_empty


@pytest.fixture
def make(client: Caller) -> Make:
    """Builders over HTTP: `await make.rule(event_type="signup", weight=20)`."""
    return Make(client)


@pytest.fixture(autouse=True)
def confined_statements() -> Generator[Confinement]:
    """Fail a test if one of the application's statements touches a tenant table without its OU."""
    confinement.forget()
    yield confinement
    confinement.check()
