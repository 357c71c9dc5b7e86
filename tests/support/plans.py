"""Reads from PostgreSQL's query plans which indexes a query uses."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement


class _Explain(Executable, ClauseElement):
    inherit_cache = False
    explain_options = "FORMAT JSON"

    def __init__(self, statement: Any) -> None:
        self.statement = statement


class _Analyze(_Explain):
    """Runs the statement, too."""

    inherit_cache = False

    explain_options = "FORMAT JSON, ANALYZE, TIMING OFF"


@compiles(_Explain)
@compiles(_Analyze)
def _render(element: _Explain, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN ({element.explain_options}) " + compiler.process(element.statement, **options)


async def indexes_of(session: AsyncSession, statement: Any) -> set[str]:
    """The indexes that the query uses, and the node types of its sorts and table scans, such as `Seq Scan`."""
    explained = await session.scalar(_Explain(statement))
    plan = (json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"]
    return {node.get("Index Name", node["Node Type"]) for node in _nodes(plan) if _matters(node)}


async def index_conditions_of(session: AsyncSession, statement: Any) -> dict[str, str]:
    """The conditions by which the query narrows each index. An index that is read from end to end has none."""
    explained = await session.scalar(_Explain(statement))
    plan = (json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"]
    return {node["Index Name"]: node.get("Index Cond", "") for node in _nodes(plan) if "Index Name" in node}


async def most_rows_of(session: AsyncSession, statement: Any) -> int:
    """The number of rows of the step of the query that has the most, with those that its condition dropped."""
    explained = await session.scalar(_Analyze(statement))
    plan = (json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"]
    return max(round(_rows(node) * node["Actual Loops"]) for node in _nodes(plan))


def _rows(node: dict[str, Any]) -> float:
    return node["Actual Rows"] + node.get("Rows Removed by Filter", 0)


def _matters(node: dict[str, Any]) -> bool:
    return "Index Name" in node or node["Node Type"] in {"Seq Scan", "Sort", "Incremental Sort"}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
