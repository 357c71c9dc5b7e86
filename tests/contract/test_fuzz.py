"""Random requests to every operation: no crashes, only described responses, and invalid requests are refused."""

# schemathesis and hypothesis leave decorators and type parameters untyped.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportMissingTypeArgument=false, reportUnknownParameterType=false, reportUntypedFunctionDecorator=false

import asyncio
import json
import os
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from schemathesis import checks
from schemathesis.config import SchemathesisConfig

from leadvibe.config import settings
from leadvibe.core.database.transactions import close_database, open_database
from leadvibe.core.jobs import waiting as job_waiting
from leadvibe.server import worker
from leadvibe.server.app import create_app
from support.callers import caller
from support.lifespan import running
from support.operations import document, parameters
from support.populated import Populated, populate
from support.postgres import Postgres, TestDatabase
from support.world import World

CONFIG = {
    "generation": {"deterministic": True, "max-examples": 15, "with-security-parameters": False},
    "phases": {"coverage": {"unexpected-methods": []}},
    "cache": {"enabled": False},
    "checks": {"negative_data_rejection": {"expected-statuses": ["400", "401", "403", "404", "409", "413", "415"]}},
    "request-timeout": 60,  # seconds; the default of 10 is too short on a busy machine
    "parameters": {"header.Prefer": "return=representation"},  # any text is accepted
}
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
ENDLESS_PATH = "/stream"

schema = schemathesis.openapi.from_dict(document(), config=SchemathesisConfig.from_dict(CONFIG)).exclude(
    path=ENDLESS_PATH
)
with_ids = schema.include(lambda context: bool(parameters(context.operation.path)))
profile = hypothesis(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@schemathesis.serializer("application/x-ndjson")
def lines(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """One event per line. Other values are sent as they are, to be refused."""
    if isinstance(value, list):
        return b"\n".join(json.dumps(item).encode() for item in value)
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def served(postgres: Postgres, world_template: tuple[str, World]) -> Generator[tuple[Any, Populated]]:
    """The application on a populated database, which schemathesis runs in its own event loop, and real ids."""
    name = postgres.clone(world_template[0])
    os.environ["LEADVIBE_DATABASE_URL"] = url = postgres.database_url(name)
    settings.cache_clear()
    populated = asyncio.run(_populate(url, world_template[1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_waiting, "TIMEOUT", timedelta(0))  # no worker runs
        yield create_app(), populated
    schemathesis.python.asgi.shutdown_lifespans()
    del os.environ["LEADVIBE_DATABASE_URL"]
    settings.cache_clear()
    postgres.drop(name)


async def _populate(url: str, world: World) -> Populated:
    open_database(url)
    application, database = create_app(), TestDatabase(url)
    try:
        async with running(application), caller(application, world.admin) as client:
            return await populate(client, worker.drain, database)
    finally:
        await database.close()
        await close_database()


@schema.parametrize()
@profile
def test_every_response_to_random_requests_is_described(
    case: schemathesis.Case, served: tuple[Any, Populated], world: World
) -> None:
    case.call_and_validate(app=served[0], headers=world.admin.headers, checks=CHECKS)


@with_ids.parametrize()
@profile
def test_every_response_about_existing_objects_is_described(
    case: schemathesis.Case, served: tuple[Any, Populated], world: World
) -> None:
    application, populated = served
    names = parameters(case.operation.path)
    case.path_parameters = {name: populated.id_at(case.operation.path, name) for name in names}
    case.call_and_validate(app=application, headers=world.admin.headers, checks=CHECKS[:-1])
