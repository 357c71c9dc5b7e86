"""The project's own table of operations, and what the OpenAPI says of each."""

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
    """One row at one of its paths: what clients were promised."""

    method: str
    path: str
    authentication: str
    success: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it, whatever its parameters are called."""
        return self.method, anonymous(self.path)


def anonymous(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def parameters(path: str) -> list[str]:
    return re.findall(r"\{([^}:]*)", path)


@cache
def promised() -> list[Operation]:
    """Every operation at every path it answers at."""
    with TABLE.open() as table:
        return [
            Operation(row["method"], path, row["authentication"], row["success"])
            for row in csv.DictReader(table, delimiter="\t")
            for path in (row["path"], *row["other_paths"].split())
        ]


@cache
def document() -> dict[str, Any]:
    """The OpenAPI as the code makes it."""
    return create_app().openapi()


def described() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every operation of the OpenAPI."""
    for path, operations in document()["paths"].items():
        for method in METHODS:
            if method in operations:
                yield method.upper(), path, operations[method]


def description(operation: Operation) -> dict[str, Any] | None:
    return next(
        (told for method, path, told in described() if (method, anonymous(path)) == operation.key),
        None,
    )
