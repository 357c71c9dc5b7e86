"""Every operation has examples, and the running server answers them as described."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest

from leadvibe.core.database.transactions import close_database, open_database
from leadvibe.server import worker
from leadvibe.server.openapi.examples import fill, read_examples
from support.callers import Caller, caller
from support.drift import check_drift
from support.examples import create_example_objects, send_example
from support.lifespan import running
from support.operations import described, document
from support.postgres import Postgres, TestDatabase
from support.world import PASSWORD, World

NO_TIME = timedelta(0)
STREAM = "follow_stream"  # never ends
SIGNED_IN = {"refresh_sign_in", "sign_out_member"}
"""Operations that need the refresh cookie."""
DESCRIBED_HEADERS = (
    *("X-Total-Count", "Link", "X-Merged-From", "Retry-After", "X-OU-ID", "X-OU-Name"),
    *("Preference-Applied", "Set-Cookie", "Content-Disposition", "WWW-Authenticate"),
)

Case = tuple[str, str, dict[str, Any], str]
"""Method, path, operation, and the name of its example."""


def _cases() -> list[Case]:
    """Every operation at every path, in a stable order."""
    return [(method, path, operation, _example_of(operation)) for method, path, operation in described()]


def _example_of(operation: dict[str, Any]) -> str:
    name = operation["operationId"]
    return name if name in read_examples() else name.partition("_at_")[0]


CASES = [pytest.param(case, id=case[2]["operationId"]) for case in _cases()]
WRITING = [pytest.param(case, id=case[2]["operationId"]) for case in _cases() if case[0] != "GET"]
READING = [case for case in _cases() if case[0] == "GET" and case[3] != STREAM]


@pytest.fixture(scope="module")
def prepared(
    postgres: Postgres, world_template: tuple[str, World], application: Any
) -> Generator[tuple[str, dict[str, str]]]:
    """A database with the objects of the examples, to be cloned, and their ids."""
    name = postgres.clone(world_template[0])
    try:
        yield name, asyncio.run(_prepare(postgres.database_url(name), application, world_template[1]))
    finally:
        postgres.drop(name)


async def _prepare(url: str, application: Any, world: World) -> dict[str, str]:
    open_database(url)
    database = TestDatabase(url)
    try:
        async with running(application), caller(application, world.admin) as client:
            return await create_example_objects(client, worker.drain, database)
    finally:
        await database.close()
        await close_database()


@pytest.fixture
async def database(postgres: Postgres, prepared: tuple[str, dict[str, str]]) -> AsyncGenerator[TestDatabase]:
    """A database with the objects of the examples, open for the server."""
    name = postgres.clone(prepared[0])
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


@pytest.fixture
def ids(prepared: tuple[str, dict[str, str]]) -> dict[str, str]:
    return prepared[1]


def check_schema(schema: dict[str, Any], value: Any) -> None:
    """Raise ValidationError unless the value is as the schema says."""
    whole = {**schema, "components": document()["components"]}
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(value)


def check_response(operation: dict[str, Any], response: Any) -> None:
    """Assert that the response is a documented success with the documented body and headers."""
    status = str(response.status_code)
    assert status < "300", response.text
    assert status in operation["responses"]
    documented = operation["responses"][status]
    sent = {name for name in DESCRIBED_HEADERS if name in response.headers}
    assert sent <= set(documented.get("headers", {}))
    content = documented.get("content", {})
    if not content:
        assert response.content == b""
        return
    media_type = response.headers["content-type"].partition(";")[0]
    is_json = media_type.endswith("json")
    check_schema(content[media_type]["schema"], response.json() if is_json else response.text)


async def send_and_check(case: Case, client: Caller, ids: dict[str, str]) -> None:
    """Send each body of the example, and once more with `Prefer` where that has another answer."""
    method, path, operation, name = case
    request = fill(read_examples()[name].get("request", {}), ids)
    for media_type in request.get("body") or [None]:
        check_response(operation, await send_example(client, method, path, request, media_type))
    if {"200", "204"} <= set(operation["responses"]):
        preferring = {**request, "headers": {"Prefer": "return=representation"}}
        response = await send_example(client, method, path, preferring, next(iter(request["body"])))
        assert response.headers["Preference-Applied"] == "return=representation"
        check_response(operation, response)


@pytest.mark.parametrize("case", WRITING)
async def test_the_server_answers_the_example_as_described(
    case: Case, client: Caller, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadvibe.core.jobs.waiting.TIMEOUT", NO_TIME)  # there is no worker to wait for
    if case[3] in SIGNED_IN:
        await client.post("/auth/login", json={"email": client.who.email, "password": PASSWORD})
    await send_and_check(case, client, ids)


async def test_the_server_answers_the_examples_of_reads_as_described(client: Caller, ids: dict[str, str]) -> None:
    wrong: dict[str, str] = {}
    for case in READING:
        try:
            await send_and_check(case, client, ids)
        except (AssertionError, jsonschema_rs.ValidationError) as error:
            wrong[case[2]["operationId"]] = str(error)
    assert wrong == {}


@pytest.mark.parametrize("case", CASES)
def test_an_operation_has_examples(case: Case) -> None:
    _, _, operation, name = case
    assert name in read_examples(), "add its examples to src/leadvibe/server/openapi/samples"
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            assert "example" in parameter, parameter["name"]
            check_schema(parameter["schema"], parameter["example"])
    for content in operation.get("requestBody", {}).get("content", {}).values():
        check_schema(content["schema"], content["example"])
    for status, response in operation["responses"].items():
        for content in response.get("content", {}).values() if status < "300" else ():
            check_schema(content["schema"], content["example"])


def test_every_example_belongs_to_an_operation() -> None:
    assert set(read_examples()) == {case[3] for case in _cases()}


CALLERS_BELOW = {"Operator": "viewer", "Owner": "operator", "admin": "neighbour"}
"""A caller with less than the role."""


async def test_a_caller_without_the_required_role_gets_403(
    viewer: Caller, operator: Caller, neighbour: Caller, ids: dict[str, str]
) -> None:
    callers = {"viewer": viewer, "operator": operator, "neighbour": neighbour}
    answers: dict[str, int] = {}
    for method, path, operation, name in _cases():
        below = CALLERS_BELOW.get(operation.get("x-required-role", ""))
        if below is not None:
            request = fill(read_examples()[name].get("request", {}), ids)
            media_type = next(iter(request.get("body") or [None]))
            response = await send_example(callers[below], method, path, request, media_type)
            answers[operation["operationId"]] = response.status_code
    assert answers == dict.fromkeys(answers, 403)


OWN_HEADERS = {"x-request-id", "date"}
"""Headers that differ between two equal requests."""


def _read_of(case: Case, ids: dict[str, str]) -> tuple[str, dict[str, Any]]:
    _, path, _, name = case
    return path, fill(read_examples()[name].get("request", {}), ids)


async def test_head_answers_like_get_without_the_body(client: Caller, ids: dict[str, str]) -> None:
    wrong: dict[str, Any] = {}
    for case in READING:
        path, request = _read_of(case, ids)
        got, head = [await send_example(client, method, path, request, None) for method in ("GET", "HEAD")]
        moving = OWN_HEADERS | ({"content-length"} if path == "/metrics" else set())
        expected, sent = [{n: v for n, v in r.headers.items() if n not in moving} for r in (got, head)]
        if (head.status_code, sent, head.content) != (got.status_code, expected, b""):
            wrong[path] = head.status_code, sent, expected
    assert wrong == {}


async def test_a_trailing_slash_is_the_same_path(client: Caller, ids: dict[str, str]) -> None:
    wrong: dict[str, Any] = {}
    for case in READING:
        path, request = _read_of(case, ids)
        for slashes in ("/", "//"):
            response = await send_example(client, "GET", path.rstrip("/") + slashes, request, None)
            if response.status_code != 200:
                wrong[path + slashes] = response.status_code
    assert wrong == {}


async def test_every_read_ignores_unknown_query_parameters(client: Caller, ids: dict[str, str]) -> None:
    refused: dict[str, str] = {}
    for case in READING:
        path, request = _read_of(case, ids)
        request["query"] = {**request.get("query", {}), "unknown_parameter": "1"}
        response = await send_example(client, "GET", path, request, None)
        if response.status_code != 200:
            refused[path] = response.text
    assert refused == {}
