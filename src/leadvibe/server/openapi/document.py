"""Builds the API's description: FastAPI's document, completed with everything that clients need."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from importlib.resources import files
from typing import Any, Final

import yaml
from fastapi import FastAPI

from leadvibe.core.http.problems import MEDIA_TYPE, NotFound, ProblemRead
from leadvibe.core.http.raw_routes import RawRoute
from leadvibe.server.openapi.examples import describe_examples
from leadvibe.server.openapi.frames import describe_stream, frame_schemas
from leadvibe.server.openapi.headers import HEADERS, describe_headers, describe_prefer
from leadvibe.server.openapi.operation_ids import base_name, name_operations
from leadvibe.server.openapi.roles import NO_ROLE, describe_role, requirements
from leadvibe.server.openapi.tags import tag_list, tag_operation

METHODS: Final = ("get", "put", "post", "delete", "patch")
PROBLEM: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
REPLACED: Final = ("HTTPValidationError", "ValidationError", "ProblemRead", "FieldError")
"""Error schemas that FastAPI adds by itself."""

SERVERS: Final = [{"url": "/", "description": "The server that serves this description."}]
LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def describe(document: dict[str, Any], app: FastAPI, raw_routes: Sequence[RawRoute]) -> dict[str, Any]:
    """Complete FastAPI's document of `app`, which does not know the raw routes."""
    paths = _with_raw_routes(document["paths"], raw_routes)
    roles = requirements(app, raw_routes)
    for path, method, operation in _operations(paths):
        name = base_name(operation)
        tag_operation(name, operation)
        _remove_titles(operation)
        _describe_errors(operation)
        describe_role(operation, roles.get((method, path), NO_ROLE))
        describe_prefer(operation)
        describe_headers(name, operation)
        if path == "/stream":
            describe_stream(operation)
        describe_examples(name, operation)
    name_operations([(path, operation) for path, _, operation in _operations(paths)])
    components = document.get("components", {})
    _define_schemas(components.setdefault("schemas", {}), raw_routes)
    components["headers"] = HEADERS
    return {
        "openapi": document["openapi"],
        "info": {**document["info"], "description": _text("description.md"), "license": LICENSE},
        "servers": SERVERS,
        "tags": tag_list(),
        "paths": paths,
        "components": components,
    }


def _with_raw_routes(paths: dict[str, Any], raw_routes: Sequence[RawRoute]) -> dict[str, Any]:
    """All paths, those of the raw routes first."""
    merged: dict[str, Any] = {}
    for route in raw_routes:
        merged.setdefault(route.path, {})[route.method.lower()] = deepcopy(route.operation)
    for path, operations in paths.items():
        merged.setdefault(path, {}).update(operations)
    return merged


def _operations(paths: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation."""
    for path, operations in paths.items():
        for method in METHODS:
            if method in operations:
                yield path, method, operations[method]


def _remove_titles(operation: dict[str, Any]) -> None:
    """Remove the titles that FastAPI makes of `unique_id` for response schemas without a name."""
    for response in operation["responses"].values():
        for content in response.get("content", {}).values():
            if content.get("schema", {}).get("title", "").startswith("Response "):
                del content["schema"]["title"]


def _describe_errors(operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    # FastAPI declares 422 for its validation, but the server answers 400.
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
        responses.setdefault("400", {"description": "A field is missing or invalid; `errors` names it."})
    responses["default"] = {"description": "Any other error."}
    for status, response in responses.items():
        has_schema = "schema" in response.get("content", {}).get(MEDIA_TYPE, {})
        if status >= "400" and not has_schema:
            response["content"] = PROBLEM
    operation["responses"] = dict(sorted(responses.items()))


def _define_schemas(schemas: dict[str, Any], raw_routes: Sequence[RawRoute]) -> None:
    """Add the schemas that FastAPI doesn't know. ValueError if two different ones have the same name."""
    for name in REPLACED:
        schemas.pop(name, None)
    problem = ProblemRead.model_json_schema(ref_template="#/components/schemas/{model}")
    example = NotFound().body()
    added = [problem.pop("$defs"), {"Problem": {**problem, "title": "Problem", "examples": [example]}}, frame_schemas()]
    for more in (*added, *(route.components for route in raw_routes)):
        for name, schema in more.items():
            if schemas.setdefault(name, schema) != schema:
                raise ValueError(f"two different schemas have the name {name}")


def _text(name: str) -> str:
    return files("leadvibe.server.openapi").joinpath(name).read_text(encoding="utf-8")


class _Plain(yaml.SafeDumper):
    """Writes a part that several places share at each of them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Plain, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)  # pyright: ignore[reportUnknownMemberType]


_Plain.add_representer(str, _represent_text)


def render(document: dict[str, Any]) -> str:
    """The document as YAML."""
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
