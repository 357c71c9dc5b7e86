"""Finds volatile functions in the conditions of a SQL statement.

PostgreSQL evaluates a volatile function again for each row, so its condition can't use an index. `now()` and
`statement_timestamp()` are stable: they are evaluated once.
"""

import re
from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from support.confinement import EXPLAIN, JOINED_UNNEST

VOLATILE = re.compile(
    r"\b(clock_timestamp|timeofday|random|random_normal|gen_random_uuid|uuidv4|uuidv7|uuid_generate_v\w+|nextval"
    r"|setval|lastval|pg_(?:try_)?advisory_\w+|pg_sleep\w*|pg_notify|set_config|txid_current|pg_current_xact_id)"
    r"\s*\(",
    re.IGNORECASE,
)
CONDITION = re.compile(r"\b(WHERE|ON|HAVING)\b", re.IGNORECASE)
CONDITIONS = (exp.Where, exp.Having)


def volatile_conditions(statement: str) -> list[str]:
    """The volatile functions in conditions. If the statement can't be parsed: all after the first."""
    if not VOLATILE.search(statement) or not (first := CONDITION.search(statement)):
        return []
    statement = JOINED_UNNEST.sub(r"FROM (SELECT * FROM \1) AS \2", EXPLAIN.sub("", statement, count=1))
    try:
        trees = [tree for tree in sqlglot.parse(statement, dialect="postgres") if tree]
    except sqlglot.ParseError:
        return _named(statement[first.start() :])
    return sorted({name for tree in trees for condition in _conditions(tree) for name in _named(condition)})


def _conditions(tree: exp.Expr) -> Iterator[str]:
    """The texts of all conditions."""
    if isinstance(tree, exp.Command):
        yield tree.sql(dialect="postgres")
    yield from (condition.sql(dialect="postgres") for condition in tree.find_all(*CONDITIONS))
    yield from (join.args["on"].sql(dialect="postgres") for join in tree.find_all(exp.Join) if join.args.get("on"))
    for conflict in tree.find_all(exp.OnConflict):
        if condition := conflict.args.get("where"):
            yield condition.sql(dialect="postgres")


def _named(text: str) -> list[str]:
    return sorted({match.group(1).lower() for match in VOLATILE.finditer(text)})
