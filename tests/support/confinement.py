"""Reads a SQL statement and says whether each tenant table in it is held to an OU.

A table is held when its `unit_id` is compared with a value, or with the `unit_id` of a table that is held; a table that
is written to, when `unit_id` is among its columns.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<literal>'(?:[^']|'')*'|\$\d+|\d[\d.]*)
    |(?P<name>"(?:[^"]|"")*"|\w+)
    |(?P<sign>::|<>|!=|>=|<=|.)""",
    re.VERBOSE | re.DOTALL,
)
QUERIES = {"select", "with", "insert", "update", "delete", "values"}
SETS = {"union", "intersect", "except"}
BEFORE_TABLE = {"from", "join", "update", "into", "copy", "using", "only", "lateral"}
NOT_AN_ALIAS = {
    *("on", "using", "where", "set", "join", "left", "right", "inner", "full", "cross", "natural", "lateral", "order"),
    *("group", "having", "limit", "offset", "for", "returning", "values", "window", "fetch", "tablesample", "from"),
}
ENDS_A_TABLE_LIST = {"where", "set", "select", "group", "order", "on", "returning", "values", "having", "limit"}
SUBQUERY = "(…)"

Place = tuple[int, str]
"""A table in a statement: the number of its query and the name it goes by there."""


@dataclass
class Query:
    """One SELECT, INSERT, UPDATE, DELETE or COPY, without the queries inside it."""

    number: int
    parent: "Query | None"
    words: list[str] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    """The tenant tables it reads, by the name they go by here."""

    def place(self, owner: str) -> Place | None:
        """Where the table of this name stands: here or around here; None when it is no tenant table."""
        if owner in self.tables:
            return self.number, owner
        return self.parent.place(owner) if self.parent else None


def unconfined(statement: str, tenant_tables: Collection[str]) -> list[str]:
    """The tenant tables that the statement touches without their OU."""
    if not any(table in statement for table in tenant_tables):
        return []
    queries = _queries(_words(statement))
    unnamed = {table for query in queries for table in _read_tables(query, tenant_tables)}
    tables = {(query.number, name): table for query in queries for name, table in query.tables.items()}
    held = _held(queries)
    return sorted(unnamed | {table for place, table in tables.items() if place not in held})


def _words(statement: str) -> list[str]:
    return [
        "'…'" if match["literal"] else match.group().strip('"').lower()
        for match in TOKEN.finditer(statement)
        if not match["skip"]
    ]


def _queries(words: list[str]) -> list[Query]:
    """The statement's queries, each with its own words; a nested one leaves a mark where it stood."""
    current = Query(0, None)
    found, open_at = [current], [False]
    for i, word in enumerate(words):
        if word == "(" and words[i + 1 : i + 2] and words[i + 1] in QUERIES:
            current.words.append(SUBQUERY)
            current = Query(len(found), current)
            found.append(current)
            open_at.append(True)
        elif word == ")" and open_at.pop():
            while current.parent and current.words[:1] and current.words[0] in SETS:
                current = current.parent  # the arms of a UNION end with it
            current = current.parent or current
        elif word in SETS:
            current = Query(len(found), current, [word])
            found.append(current)
        else:
            if word == "(":
                open_at.append(False)
            current.words.append(word)
    return found


def _read_tables(query: Query, tenant_tables: Collection[str]) -> Iterator[str]:
    """Note the tenant tables that the query reads; yield those that it writes without naming an OU."""
    words, in_list = query.words, False
    for i, word in enumerate(words):
        in_list = word in {"from", "using"} or (in_list and word not in ENDS_A_TABLE_LIST)
        if word not in tenant_tables or words[i + 1 : i + 2] == ["."]:
            continue
        before, rest = words[i - 3 if words[i - 1 : i] == ["."] else i - 1], words[i + 1 :]
        if before in {"into", "copy"}:
            columns = rest[1 : rest.index(")")] if rest[:1] == ["("] else []
            if "unit_id" not in columns or (before == "copy" and "to" in rest):
                yield word
        elif before in BEFORE_TABLE or (in_list and before in {",", "("}):
            rest = rest[1:] if rest[:1] == ["as"] else rest
            named = rest[:1] and rest[0] not in NOT_AN_ALIAS and re.fullmatch(r"\w+", rest[0])
            query.tables[rest[0] if named else word] = word


def _held(queries: list[Query]) -> set[Place]:
    bonds: list[tuple[Place, Place]] = []
    held: set[Place] = set()
    for query in queries:
        for left, right in _comparisons(query):
            if left and right:
                bonds.append((left, right))
            else:
                held |= {place for place in (left, right) if place}
    while spread := {b for pair in bonds for a, b in (pair, pair[::-1]) if a in held} - held:
        held |= spread
    return held


def _comparisons(query: Query) -> Iterator[tuple[Place | None, Place | None]]:
    """Each comparison of a `unit_id` in the query, as the tables on its two sides; None is any other value."""
    words = query.words
    own = [(query.number, name) for name in query.tables]
    assigning = False
    for i, word in enumerate(words):
        assigning = word == "set" or (assigning and word not in {"from", "where", "returning"})
        if word != "unit_id" or assigning:
            continue
        if words[i - 2 : i] == ["using", "("]:
            yield from ((a, b) for a in own for b in own)
            continue
        for other in _opposite(words, i):
            for mine in [query.place(words[i - 2])] if words[i - 1] == "." else own:
                yield mine, query.place(other) if other else None


def _opposite(words: list[str], i: int) -> list[str | None]:
    """What the `unit_id` at `i` is compared with: the owner of another one, or None for any other value."""
    start, end = (i - 2 if words[i - 1] == "." else i), i + 1
    if words[end : end + 1] == ["::"]:
        end += 2
    if words[end : end + 1] and words[end] in {"=", "in"}:
        return [_owner(words, end + 1)]
    if words[start - 1] == "=":
        return [_owner(words, start - 4)]
    if words[start - 1] == "(" and ")" in words[i:]:  # a row: (unit_id, lead_id) = (…)
        closing = words.index(")", i)
        if words[closing + 1 : closing + 2] and words[closing + 1] in {"=", "in"}:
            return [_owner(words, closing + 3)]
    return []


def _owner(words: list[str], i: int) -> str | None:
    """`leads` where `leads.unit_id` stands."""
    return words[i] if i >= 0 and words[i + 1 : i + 3] == [".", "unit_id"] else None
