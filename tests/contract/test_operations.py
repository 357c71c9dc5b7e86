"""The application serves and describes exactly the operations in the table of operations."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from leadvibe.server.openapi.document import render
from support.callers import Caller
from support.operations import Operation, described, description, document, listed_operations, parameters, without_names

OPERATIONS = [pytest.param(operation, id=str(operation)) for operation in listed_operations()]
GUARDED = [operation for operation in listed_operations() if operation.authentication != "none"]
OPEN = [
    operation for operation in listed_operations() if operation.authentication == "none" and operation.method == "GET"
]
SCHEMES = {"none": set(), "bearer": {"bearer"}, "bearer or basic": {"bearer", "basic"}}


def described_as(operation: Operation) -> dict[str, Any]:
    found = description(operation)
    assert found is not None, f"{operation} is not in the OpenAPI"
    return found


def schemes_of(operation: dict[str, Any]) -> set[str]:
    """The HTTP schemes and cookies that the OpenAPI document accepts for an operation."""
    defined = document()["components"].get("securitySchemes", {})
    names = {name for requirement in operation.get("security", []) for name in requirement}
    return {defined[name].get("scheme", defined[name].get("name")) for name in names}


def test_no_operation_is_served_that_is_not_in_the_table() -> None:
    known = {operation.key for operation in listed_operations()}
    assert not [f"{method} {path}" for method, path, _ in described() if (method, without_names(path)) not in known]


def test_openapi_yaml_is_what_the_code_generates() -> None:
    written = Path(__file__).parents[2] / "openapi.yaml"
    assert written.read_text() == render(document()), "openapi.yaml is out of date: make openapi"


def test_every_operation_id_is_unique() -> None:
    names = Counter(operation["operationId"] for _, _, operation in described())
    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_described(operation: Operation) -> None:
    found = described_as(operation)
    assert found.get("description"), "the route's docstring is the API's documentation"
    assert found.get("tags")
    declared = {parameter["name"] for parameter in found.get("parameters", []) if parameter["in"] == "path"}
    assert len(declared) == len(parameters(operation.path))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_status_of_success_is_described(operation: Operation) -> None:
    assert operation.success in described_as(operation)["responses"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_authentication_is_described(operation: Operation) -> None:
    if operation.authentication == "bearer, basic or activeOu cookie":
        assert schemes_of(described_as(operation)) == {"bearer", "basic", "activeOu"}
    else:
        assert schemes_of(described_as(operation)) == SCHEMES[operation.authentication]


async def test_without_credentials_only_open_operations_are_served(anonymous: Caller) -> None:
    refusal = (401, "application/problem+json", True)
    answers: dict[str, Any] = {}
    for operation in GUARDED:
        path = operation.path
        for name in parameters(path):
            path = path.replace(f"{{{name}}}", "x")
        response = await anonymous.request(operation.method, path)
        answers[str(operation)] = (
            response.status_code,
            response.headers["content-type"],
            "WWW-Authenticate" in response.headers,
        )
    assert answers == dict.fromkeys(answers, refusal)
    for operation in OPEN:
        response = await anonymous.get(operation.path)
        assert (str(operation), str(response.status_code)) == (str(operation), operation.success)
