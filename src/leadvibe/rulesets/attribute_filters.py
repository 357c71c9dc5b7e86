"""Attribute filters: what a rule asks of an event's metadata, beyond its type."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from leadvibe.core.http.schemas import Line, Write, check_plain
from leadvibe.engine import OPERATORS, canonical_operator, numeric

LONGEST_VALUE = 1000
MOST_VALUES = 100
MOST_FILTERS = 20

_WITHOUT_VALUE = {"is_empty", "is_not_empty"}
_NUMERIC = {"gt", "gte", "lt", "lte"}


def _operator(name: str) -> str:
    operator = canonical_operator(name)
    if operator is None:
        raise ValueError(f"must be one of {', '.join(OPERATORS)}")
    return operator


def _value(value: object) -> object:
    if not isinstance(value, list):
        return value if value is None else _plain(value)
    if not 1 <= len(value) <= MOST_VALUES:
        raise ValueError(f"must hold 1 to {MOST_VALUES} values, of which any may match")
    return [_plain(each) for each in cast(list[object], value)]


def _plain(value: object) -> object:
    match value:
        case str() if len(value) <= LONGEST_VALUE:
            return check_plain(value)
        case bool():
            return value
        case int() | float() if abs(value) < 10**15:
            return value
        case _:
            raise ValueError(f"must be texts of at most {LONGEST_VALUE} characters, numbers below 10^15 or booleans")


Plain = str | bool | int | float


class AttributeFilter(Write):
    """One condition on the metadata; a list of values holds if any of them does."""

    field: Annotated[Line, Field(description="A name in the metadata, or a dotted path into it")]
    operator: Annotated[str, AfterValidator(_operator)]
    value: Annotated[Plain | list[Plain] | None, BeforeValidator(_value)] = Field(default=None, validate_default=True)

    @field_validator("value")
    @classmethod
    def _suits_operator(cls, value: Plain | list[Plain] | None, info: ValidationInfo) -> Plain | list[Plain] | None:
        operator = info.data.get("operator")
        if operator is None or operator in _WITHOUT_VALUE:
            return None
        if value is None:
            raise ValueError(f"is needed for {operator}")
        if operator in _NUMERIC and any(not numeric(each) for each in (value if isinstance(value, list) else [value])):
            raise ValueError(f"must be a number for {operator}")
        return value


AttributeFilters = Annotated[
    list[AttributeFilter],
    BeforeValidator(
        lambda filters: [] if filters is None else filters, json_schema_input_type=list[AttributeFilter] | None
    ),
    Field(max_length=MOST_FILTERS, description="All of them must hold"),
]


def filters_key(filters: Sequence[Mapping[str, Any]]) -> str:
    """Equal for the same conditions in any order; empty for none."""
    if not filters:
        return ""
    return sha256("\n".join(sorted(json.dumps(each, sort_keys=True) for each in filters)).encode()).hexdigest()
