"""Every promised operation is served as promised and described, and there is none beyond."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from leadvibe.server.openapi.document import render
from support.callers import Caller
from support.operations import Operation, anonymous, described, description, document, parameters, promised

OPERATIONS = [pytest.param(operation, id=str(operation)) for operation in promised()]
GUARDED = [operation for operation in promised() if operation.authentication != "none"]
OPEN = [operation for operation in promised() if operation.authentication == "none" and operation.method == "GET"]
SCHEMES = {"none": set(), "bearer": {"bearer"}, "bearer or basic": {"bearer", "basic"}}


def told(operation: Operation) -> dict[str, Any]:
    found = description(operation)
    assert found is not None, f"{operation} is not in the OpenAPI"
    return found


def schemes_of(operation: dict[str, Any]) -> set[str]:
    """The HTTP schemes and cookies that the OpenAPI accepts for it."""
    defined = document()["components"].get("securitySchemes", {})
    names = {name for requirement in operation.get("security", []) for name in requirement}
    return {defined[name].get("scheme", defined[name].get("name")) for name in names}


def test_no_operation_is_served_that_was_not_promised() -> None:
    known = {operation.key for operation in promised()}
    assert not [f"{method} {path}" for method, path, _ in described() if (method, anonymous(path)) not in known]


def test_openapi_yaml_is_what_the_code_generates() -> None:
    written = Path(__file__).parents[2] / "openapi.yaml"
    assert written.read_text() == render(document()), "openapi.yaml is out of date: make openapi"


def test_every_operation_has_a_name_of_its_own() -> None:
    names = Counter(operation["operationId"] for _, _, operation in described())
    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_described(operation: Operation) -> None:
    found = told(operation)
    assert found.get("description"), "the route's docstring is the API's documentation"
    assert found.get("tags")
    declared = {parameter["name"] for parameter in found.get("parameters", []) if parameter["in"] == "path"}
    assert len(declared) == len(parameters(operation.path))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_says_what_success_is(operation: Operation) -> None:
    assert operation.success in told(operation)["responses"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_says_who_may_call_it(operation: Operation) -> None:
    if operation.authentication == "bearer, basic or activeOu cookie":
        assert schemes_of(told(operation)) == {"bearer", "basic", "activeOu"}
    else:
        assert schemes_of(told(operation)) == SCHEMES[operation.authentication]


async def test_without_credentials_only_the_open_ones_are_served(anonymous: Caller) -> None:
    refusal = (401, "application/problem+json", True)
    told: dict[str, Any] = {}
    for operation in GUARDED:
        path = operation.path
        for name in parameters(path):
            path = path.replace(f"{{{name}}}", "x")
        response = await anonymous.request(operation.method, path)
        told[str(operation)] = (
            response.status_code,
            response.headers["content-type"],
            "WWW-Authenticate" in response.headers,
        )
    assert told == dict.fromkeys(told, refusal)
    for operation in OPEN:
        response = await anonymous.get(operation.path)
        assert (str(operation), str(response.status_code)) == (str(operation), operation.success)
