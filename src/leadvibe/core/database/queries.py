"""SQL expressions that several queries share."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, any_, literal


def among(values: Collection[str]) -> ColumnElement[Any]:
    """`= ANY(array)`: one statement whatever the number of values, where `IN` makes one for each."""
    return any_(literal(list(values), ARRAY(Text)))
