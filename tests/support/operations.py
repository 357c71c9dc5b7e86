"""Reads the project's table of operations, and the description of each operation in the OpenAPI document."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from leadvibe.server.app import create_app

TABLE = Path(__file__).parents[1] / "contract" / "operations.tsv"
METHODS = ("get", "put", "post", "patch", "delete", "head", "options", "trace")


@dataclass(frozen=True)
class Operation:
    """One row of the table at one of its paths."""

    method: str
    path: str
    authentication: str
    success: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def key(self) -> tuple[str, str]:
        """Method and path, without the names of the path's parameters."""
        return self.method, without_names(self.path)


def without_names(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def parameters(path: str) -> list[str]:
    return re.findall(r"\{([^}:]*)", path)


@cache
def listed_operations() -> list[Operation]:
    """Every operation of the table at each of its paths."""
    with TABLE.open() as table:
        return [
            Operation(row["method"], path, row["authentication"], row["success"])
            for row in csv.DictReader(table, delimiter="\t")
            for path in (row["path"], *row["other_paths"].split())
        ]


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document that the code generates."""
    return create_app().openapi()


def described() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every operation in the OpenAPI document."""
    for path, operations in document()["paths"].items():
        for method in METHODS:
            if method in operations:
                yield method.upper(), path, operations[method]


def description(operation: Operation) -> dict[str, Any] | None:
    """The operation's description in the OpenAPI document, None if it has none."""
    return next(
        (found for method, path, found in described() if (method, without_names(path)) == operation.key),
        None,
    )
