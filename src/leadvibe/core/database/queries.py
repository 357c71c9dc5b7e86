"""SQL expressions used by several queries."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, any_, literal


def among(values: Collection[str]) -> ColumnElement[Any]:
    """An `= ANY(array)` comparison, for the right side of `==`.

    With `IN`, each number of values would be a statement of its own to prepare.
    """
    return any_(literal(list(values), ARRAY(Text)))
