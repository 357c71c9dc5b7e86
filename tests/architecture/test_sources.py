"""What the code may not say, wherever it says it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import leadvibe

SOURCES = Path(leadvibe.__file__).parent
OPENS_TRANSACTIONS = {"core/database/transactions.py", "core/database/migrations.py"}


def named(*names: str) -> list[Path]:
    return sorted(path for path in SOURCES.rglob("*.py") if not names or path.name in names)


def shown(path: Path) -> str:
    return path.relative_to(SOURCES).as_posix()


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_only_the_database_module_opens_and_ends_transactions() -> None:
    verdict = re.compile(r"\.(commit|rollback|begin)\(")
    found = {shown(path) for path in named() if verdict.search(path.read_text())}
    assert found <= OPENS_TRANSACTIONS


@pytest.mark.parametrize("path", named("routes.py", "schemas.py"), ids=shown)
def test_routes_and_schemas_know_no_database(path: Path) -> None:
    forbidden = {"sqlalchemy", "asyncpg"}
    assert not [module for module in imports(path) if module.partition(".")[0] in forbidden]


@pytest.mark.parametrize("path", named("routes.py"), ids=shown)
def test_routes_catch_nothing(path: Path) -> None:
    assert not [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Try)]


@pytest.mark.parametrize("path", named("routes.py"), ids=shown)
def test_routes_are_told_what_went_wrong_by_problems_only(path: Path) -> None:
    assert "HTTPException" not in path.read_text()
