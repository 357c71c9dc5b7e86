"""Puts the examples of requests and responses into the operations; they are in `samples/*.yaml`, by operation."""

# Decoded JSON: values whose keys and items have no types.
# pyright: reportUnknownVariableType=false

import re
from functools import cache
from importlib.resources import files
from typing import Any, Final, cast

import yaml

FOLDER: Final = files("leadvibe.server.openapi").joinpath("samples")
PLACEHOLDER: Final = re.compile(r"<([a-z_]+)>")
SAMPLE_IDS: Final = "ids"
"""The file with an id for each placeholder: `<rule_id>` in an example becomes the rule's id."""

Example = dict[str, Any]
"""`request` with `path`, `query`, `headers`, and one body by media type in `body`; `responses` by status."""


@cache
def read_examples() -> dict[str, Example]:
    """The examples of all operations by name, with placeholders for ids."""
    found: dict[str, Example] = {}
    for file in sorted(FOLDER.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".yaml") and file.name != f"{SAMPLE_IDS}.yaml":
            found.update(_read(file.name))
    return found


@cache
def sample_ids() -> dict[str, str]:
    return _read(f"{SAMPLE_IDS}.yaml")


def fill(value: Any, ids: dict[str, str]) -> Any:
    """A copy of a part of an example with ids in the place of their names."""
    match value:
        case str():
            return PLACEHOLDER.sub(lambda match: ids[match[1]], value)
        case dict():
            return {fill(name, ids): fill(each, ids) for name, each in cast(dict[str, Any], value).items()}
        case list():
            return [fill(each, ids) for each in cast(list[Any], value)]
        case _:
            return value


def describe_examples(name: str, operation: dict[str, Any]) -> None:
    """Add an operation's examples to its parameters, its request body and its responses."""
    example = fill(read_examples().get(name, {}), sample_ids())
    request = example.get("request", {})
    for parameter in operation.get("parameters", ()):
        values = request.get({"path": "path", "query": "query", "header": "headers"}[parameter["in"]], {})
        if parameter["name"] in values:
            parameter["example"] = values[parameter["name"]]
    for media_type, body in request.get("body", {}).items():
        operation["requestBody"]["content"][media_type]["example"] = body
    for status, body in example.get("responses", {}).items():
        for content in operation["responses"][str(status)].get("content", {}).values():
            content["example"] = body


def _read(name: str) -> dict[str, Any]:
    return yaml.safe_load(FOLDER.joinpath(name).read_text(encoding="utf-8")) or {}
