"""The check on every statement of the suite finds volatile functions in conditions, wherever the conditions stand."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import leadvibe
from support.tenancy import VOLATILE_CONDITIONS
from support.volatility import VOLATILE, volatile_conditions

SOURCES = Path(leadvibe.__file__).parent

STABLE = [
    "SELECT 1 FROM leads WHERE next_decay_at <= statement_timestamp()",
    "SELECT 1 FROM leads WHERE next_decay_at <= $1 ORDER BY random()",
    "SELECT clock_timestamp()",
    "SELECT unit_id, clock_timestamp() FROM leads WHERE unit_id = $1",
    "INSERT INTO leads (unit_id, created_at) SELECT unit_id, clock_timestamp() FROM units WHERE unit_id = $1",
    "UPDATE leads SET updated_at = clock_timestamp() WHERE unit_id = $1",
    "INSERT INTO a (b, c) VALUES ($1, random()) ON CONFLICT (b) DO UPDATE SET c = random() WHERE a.b <= excluded.b",
    "LISTEN leads",
]

VOLATILE_STATEMENTS = [
    ("SELECT 1 FROM leads WHERE next_decay_at <= clock_timestamp()", ["clock_timestamp"]),
    (
        "SELECT 1 FROM leads WHERE a < CLOCK_TIMESTAMP() - interval '1 day' AND random() < 0.5",
        ["clock_timestamp", "random"],
    ),
    ("DELETE FROM files WHERE expires_at < timeofday()::timestamptz", ["timeofday"]),
    ("UPDATE files SET a = 1 WHERE b = nextval('c')", ["nextval"]),
    ("SELECT 1 FROM a JOIN b ON b.c < clock_timestamp()", ["clock_timestamp"]),
    ("SELECT a FROM b GROUP BY a HAVING max(c) < clock_timestamp()", ["clock_timestamp"]),
    ("SELECT (SELECT 1 FROM a WHERE b = gen_random_uuid()) FROM c", ["gen_random_uuid"]),
    (
        "WITH a AS (SELECT route FROM b) SELECT 1 FROM a WHERE pg_try_advisory_xact_lock($1, route)",
        ["pg_try_advisory_xact_lock"],
    ),
    (
        "INSERT INTO a (b) VALUES ($1) ON CONFLICT (b) DO UPDATE SET b = 1 WHERE a.c < clock_timestamp()",
        ["clock_timestamp"],
    ),
    ("SELECT FROM WHERE a JOIN b < clock_timestamp() =", ["clock_timestamp"]),
    ("EXPLAIN SELECT 1 FROM leads WHERE a <= clock_timestamp()", ["clock_timestamp"]),
]


@pytest.mark.parametrize("statement", STABLE)
def test_a_volatile_function_outside_conditions_is_allowed(statement: str) -> None:
    assert volatile_conditions(statement) == []


@pytest.mark.parametrize(("statement", "functions"), VOLATILE_STATEMENTS)
def test_a_volatile_function_in_a_condition_is_found(statement: str, functions: list[str]) -> None:
    assert volatile_conditions(statement) == functions


def _texts() -> Iterator[str]:
    for path in sorted(SOURCES.rglob("*.py")):
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and VOLATILE.search(node.value):
                yield node.value


def test_no_statement_in_the_sources_has_a_volatile_condition() -> None:
    """Also those that no test sends."""
    found = {function for text in _texts() for function in volatile_conditions(text)}
    assert found == set(VOLATILE_CONDITIONS)
