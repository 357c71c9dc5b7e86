"""The API's description: what FastAPI knows of it, put into the words that clients meet.

`python -m leadvibe.server.openapi` writes it to `openapi.yaml`; with `--check` it compares instead.
"""

import sys
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from fastapi.routing import APIRoute

from leadvibe.core.http.problems import MEDIA_TYPE, ProblemRead
from leadvibe.core.http.raw_routes import RawRoute

METHODS = ("get", "put", "post", "delete", "patch")
PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
REPLACED = ("HTTPValidationError", "ValidationError", "ProblemRead", "FieldError")
"""Schemas of errors that FastAPI adds by itself."""


def unique_id(route: APIRoute) -> str:
    """The function's name, and the path for the case that the function answers at several."""
    return f"{route.name} {route.path_format}"


def describe(document: dict[str, Any], raw_routes: Sequence[RawRoute]) -> dict[str, Any]:
    """Finish FastAPI's document: raw routes, operation ids, errors as problem documents."""
    raw: dict[str, Any] = {}
    for route in raw_routes:
        raw.setdefault(route.path, {})[route.method.lower()] = deepcopy(route.operation)
    for path, operations in document["paths"].items():
        raw.setdefault(path, {}).update(operations)
    document["paths"] = raw
    taken: set[str] = set()
    for path in document["paths"].values():
        for method in METHODS:
            if method in path:
                _name(path[method], taken)
                _describe_errors(path[method])
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for route in raw_routes:
        schemas.update(deepcopy(dict(route.components)))
    _define_problem(schemas)
    return document


def _name(operation: dict[str, Any], taken: set[str]) -> None:
    """Call it by its function's name; the same operation at another path is `get_lead_2`."""
    name = operation["operationId"].partition(" ")[0]
    identity, number = name, 1
    while identity in taken:
        number += 1
        identity = f"{name}_{number}"
    taken.add(identity)
    operation["operationId"] = identity


def _describe_errors(operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    if responses.pop("422", None) is not None:
        responses.setdefault("400", {"description": "A field is missing or wrong; `errors` names it."})
    responses["default"] = {"description": "Any other error."}
    for status, response in responses.items():
        describes_its_own = "schema" in response.get("content", {}).get(MEDIA_TYPE, {})
        if status >= "400" and not describes_its_own:
            response["content"] = PROBLEM
    operation["responses"] = dict(sorted(responses.items()))


def _define_problem(schemas: dict[str, Any]) -> None:
    for name in REPLACED:
        schemas.pop(name, None)
    problem = ProblemRead.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"), Problem={**problem, "title": "Problem"})


class _Plain(yaml.SafeDumper):
    """Writes a part that several places share at each of them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


def main(arguments: Sequence[str]) -> int:
    from leadvibe.server.app import create_app  # noqa: PLC0415 - the application imports this module

    written, current = Path("openapi.yaml"), render(create_app().openapi())
    if "--check" not in arguments:
        written.write_text(current)
        return 0
    if written.exists() and written.read_text() == current:
        return 0
    sys.stderr.write("openapi.yaml is not what the code describes: run `make openapi`.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
