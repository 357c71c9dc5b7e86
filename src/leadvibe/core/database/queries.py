"""SQL expressions used by several queries."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, any_, literal


def among(values: Collection[str]) -> ColumnElement[Any]:
    """`= ANY(array)`, for comparisons with `==`: with `IN` every number of values would be another statement."""
    return any_(literal(list(values), ARRAY(Text)))
