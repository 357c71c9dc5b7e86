"""Parses a SQL statement and lists the tenant tables in it that are not confined to an OU.

A table that is read is confined if its `unit_id` is compared with a value, or with the `unit_id` of a confined table.
A table that is written to is confined if `unit_id` is among the columns written.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

UNIT = "unit_id"
QUERIES = (exp.Select, exp.Insert, exp.Update, exp.Delete, exp.Copy)
WITHOUT_TABLES = {"listen", "unlisten", "notify", "set", "reset", "show"}
"""Commands that sqlglot keeps as text and that read or write no table."""

EXPLAIN = re.compile(r"\A\s*EXPLAIN\s*(\([^()]*\))?", re.IGNORECASE)
"""sqlglot keeps an explained statement as text, so that only what follows is parsed."""
JOINED_UNNEST = re.compile(r"FROM\s+(unnest\([^()]*\) AS (\w+) \([^()]*\))(?=\s+(?:LEFT\s+)?JOIN)", re.IGNORECASE)
"""sqlglot doesn't parse this in an UPDATE, but it does parse a subquery there."""

Place = tuple[int, str]
"""A table in a statement: the query that reads it, by `id()`, and the table's name or alias there."""


@dataclass
class Query:
    """One SELECT, INSERT, UPDATE, DELETE or COPY, without the queries inside it."""

    node: exp.Expr
    parent: "Query | None"
    tables: dict[str, str] = field(default_factory=dict[str, str])
    """The tenant tables that it reads, by the name or alias that they have here."""

    @property
    def places(self) -> list[Place]:
        return [(id(self.node), name) for name in self.tables]

    def place(self, name: str) -> Place | None:
        """The table of this name or alias, in this query or an enclosing one; None if it is no tenant table."""
        if name in self.tables:
            return id(self.node), name
        return self.parent.place(name) if self.parent else None

    def places_of(self, column: exp.Column) -> list[Place | None]:
        """The tables that a column may belong to. Without a qualifier that is each table of the query."""
        return [self.place(_lower(column.table))] if column.table else [*self.places]


def unconfined(statement: str, tenant_tables: Collection[str]) -> list[str]:
    """The tenant tables that the statement touches without their OU; all that it names if it cannot be parsed."""
    named = [table for table in tenant_tables if table in statement]
    if not named:
        return []
    statement = JOINED_UNNEST.sub(r"FROM (SELECT * FROM \1) AS \2", EXPLAIN.sub("", statement, count=1))
    try:
        trees = [tree for tree in sqlglot.parse(statement, dialect="postgres") if tree]
    except sqlglot.ParseError:
        return sorted(table for table in named if _is_word(table, statement))
    return sorted({table for tree in trees for table in _unconfined(tree, named)})


def _unconfined(tree: exp.Expr, tenant_tables: Collection[str]) -> Iterator[str]:
    if isinstance(tree, exp.Command):
        if _lower(tree.name) not in WITHOUT_TABLES:
            yield from (table for table in tenant_tables if _is_word(table, tree.sql()))
        return
    queries = _queries(tree)
    for table in tree.find_all(exp.Table):
        name = _lower(table.name)
        if name not in tenant_tables:
            continue
        query = _enclosing(table, queries)
        if query is None:  # TRUNCATE and definitions
            yield name
        elif _is_written_by(table, query.node):
            if not _writes_unit(query.node):
                yield name
        else:
            query.tables[_lower(table.alias_or_name)] = name
    confined = _confined(tree, queries)
    for query in queries.values():
        yield from (query.tables[place[1]] for place in query.places if place not in confined)


def _queries(tree: exp.Expr) -> dict[int, Query]:
    """Each query of the statement by its node's `id()`; an enclosing query comes before the queries inside it."""
    queries: dict[int, Query] = {}
    for node in tree.find_all(*QUERIES, bfs=False):
        queries[id(node)] = Query(node, _enclosing(node, queries))
    return queries


def _enclosing(node: exp.Expr, queries: dict[int, Query]) -> Query | None:
    ancestor = node.find_ancestor(*QUERIES)
    return None if ancestor is None else queries[id(ancestor)]


def _is_written_by(table: exp.Table, query: exp.Expr) -> bool:
    """Whether it is the target of an INSERT or COPY. An UPDATE or DELETE reads its target."""
    target = query.this.this if isinstance(query.this, exp.Schema) else query.this
    return isinstance(query, (exp.Insert, exp.Copy)) and table is target


def _writes_unit(query: exp.Expr) -> bool:
    if isinstance(query, exp.Copy) and not query.args["kind"]:  # COPY … TO
        return False
    return isinstance(query.this, exp.Schema) and UNIT in {_lower(column.name) for column in query.this.expressions}


def _confined(tree: exp.Expr, queries: dict[int, Query]) -> set[Place]:
    """The tables whose `unit_id` equals a value, directly or through other tables."""
    equal: list[tuple[Place, Place]] = []
    confined: set[Place] = set()
    for left, right in _comparisons(tree, queries):
        if left and right:
            equal.append((left, right))
        else:
            confined |= {place for place in (left, right) if place}
    while spread := {b for pair in equal for a, b in (pair, pair[::-1]) if a in confined} - confined:
        confined |= spread
    return confined


def _comparisons(tree: exp.Expr, queries: dict[int, Query]) -> Iterator[tuple[Place | None, Place | None]]:
    """Each comparison of a `unit_id`, as the tables of its two sides; None is any other value."""
    for join in tree.find_all(exp.Join):
        if UNIT in {_lower(column.name) for column in join.args.get("using") or ()}:
            query = _enclosing(join, queries)
            yield from ((a, b) for a in query.places for b in query.places) if query else ()
    for column in tree.find_all(exp.Column):
        query = _enclosing(column, queries)
        if query is None or not _is_unit(column):
            continue
        for other in _compared_with(column):
            others = query.places_of(other) if isinstance(other, exp.Column) and _is_unit(other) else [None]
            yield from ((mine, another) for mine in query.places_of(column) for another in others)


def _compared_with(column: exp.Column) -> Iterator[exp.Expr]:
    """The other side of the `=`, or the values of the IN; of a row, the value at the same position."""
    side, comparison = _outside_casts(column)
    position: int | None = None
    if isinstance(comparison, exp.Tuple):
        position = comparison.expressions.index(side)
        side, comparison = _outside_casts(comparison)
    if isinstance(comparison, exp.EQ) and not _is_assignment(comparison):
        other = comparison.expression if side is comparison.this else comparison.this
        other = other.unnest()
        yield other.expressions[position] if position is not None and isinstance(other, exp.Tuple) else other
    elif isinstance(comparison, exp.In) and side is comparison.this:
        yield comparison


def _outside_casts(node: exp.Expr) -> tuple[exp.Expr, exp.Expr | None]:
    """The node with the casts and parentheses around it, and the node outside them."""
    while isinstance(node.parent, (exp.Cast, exp.Paren, exp.Collate)):
        node = node.parent
    return node, node.parent


def _is_assignment(equality: exp.EQ) -> bool:
    """Whether it belongs to the SET of an UPDATE or of an ON CONFLICT."""
    return isinstance(equality.parent, (exp.Update, exp.OnConflict)) and equality.arg_key == "expressions"


def _is_unit(column: exp.Column) -> bool:
    return _lower(column.name) == UNIT


def _is_word(word: str, text: str) -> bool:
    return re.search(rf"\b{word}\b", text, re.IGNORECASE) is not None


def _lower(name: str) -> str:
    return name.lower()
