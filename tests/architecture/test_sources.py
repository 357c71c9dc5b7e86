"""Rules that every source file keeps; the files are found in the tree, so that a new package is checked, too."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import leadvibe

SOURCES = Path(leadvibe.__file__).parent
OPENS_TRANSACTIONS = {"core/database/transactions.py", "core/database/migrations.py"}
MAPS_DATABASE_ERRORS = "core/http/problems.py"
"""Defines the schema of an error, and turns the database's errors into it."""
MAKES_ROUTES = {"APIRouter", "RawRoute"}
MAKES_SCHEMAS = {"BaseModel", "Read", "Write"}


def shown(path: Path) -> str:
    return path.relative_to(SOURCES).as_posix()


@cache
def files(under: str = "") -> list[Path]:
    return sorted((SOURCES / under).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports, also inside functions."""
    package = ["leadvibe", *path.relative_to(SOURCES).parent.parts]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) + 1 - node.level] if node.level else []
            yield ".".join([*parents, *([node.module] if node.module else [])])


def last_name(node: ast.expr) -> str | None:
    """`Router` of `Router`, `http.Router` and `Router[Any]`."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value):
            return last_name(value)
        case _:
            return None


def makes_routes(path: Path) -> bool:
    return any(isinstance(node, ast.Call) and last_name(node.func) in MAKES_ROUTES for node in ast.walk(tree(path)))


def makes_schemas(path: Path) -> bool:
    classes = (node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))
    return any(last_name(base) in MAKES_SCHEMAS for each in classes for base in each.bases)


WITH_ROUTES = [path for path in files() if path.name == "routes.py" or makes_routes(path)]
WITH_SCHEMAS = [path for path in files() if path.name == "schemas.py" or makes_schemas(path)]
WITHOUT_DATABASE = sorted({*WITH_ROUTES, *WITH_SCHEMAS} - {SOURCES / MAPS_DATABASE_ERRORS})


def test_only_the_database_module_opens_and_ends_transactions() -> None:
    ends = re.compile(r"\.(commit|rollback|begin)\(")
    found = {shown(path) for path in files() if ends.search(path.read_text())}
    assert found <= OPENS_TRANSACTIONS


@pytest.mark.parametrize("path", files("engine"), ids=shown)
def test_the_engine_imports_only_the_standard_library_and_itself(path: Path) -> None:
    others = [module for module in imports(path) if module.partition(".")[0] not in sys.stdlib_module_names]
    assert not [module for module in others if not f"{module}.".startswith("leadvibe.engine.")]


@pytest.mark.parametrize("path", WITH_ROUTES, ids=shown)
def test_a_file_with_routes_is_named_routes(path: Path) -> None:
    assert path.name == "routes.py"


@pytest.mark.parametrize("path", WITHOUT_DATABASE, ids=shown)
def test_routes_and_schemas_do_not_import_the_database(path: Path) -> None:
    forbidden = {"sqlalchemy", "asyncpg"}
    assert not [module for module in imports(path) if module.partition(".")[0] in forbidden]


@pytest.mark.parametrize("path", WITH_ROUTES, ids=shown)
def test_routes_catch_no_exceptions(path: Path) -> None:
    assert not [node for node in ast.walk(tree(path)) if isinstance(node, (ast.Try, ast.TryStar))]


@pytest.mark.parametrize("path", WITH_ROUTES, ids=shown)
def test_routes_raise_problems_and_no_http_exceptions(path: Path) -> None:
    assert "HTTPException" not in path.read_text()
