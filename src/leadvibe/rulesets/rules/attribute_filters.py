"""Attribute filters: a rule's conditions on the metadata of an event."""

# Decoded JSON: values whose keys and items have no types.
# pyright: reportUnknownArgumentType=false

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationInfo, field_validator

from leadvibe.core.http.schemas import Line, Read, Write, check_plain
from leadvibe.engine import OPERATOR_ALIASES, OPERATORS, canonical_operator, numeric

MAX_VALUE_LENGTH = 1000
MAX_VALUES = 100
MAX_FILTERS = 20

_OPERATORS_WITHOUT_VALUE = {"is_empty", "is_not_empty"}
_NUMERIC_OPERATORS = {"gt", "gte", "lt", "lte"}


OPERATOR_NAMES: list[JsonValue] = [*OPERATORS, *OPERATOR_ALIASES]


def _check_operator(name: str) -> str:
    operator = canonical_operator(name)
    if operator is None:
        raise ValueError(f"must be one of {', '.join(OPERATORS)}")
    return operator


def _check_value(value: object) -> object:
    if not isinstance(value, list):
        return value if value is None else _check_scalar(value)
    if not 1 <= len(value) <= MAX_VALUES:
        raise ValueError(f"must contain 1 to {MAX_VALUES} values")
    return [_check_scalar(each) for each in cast(list[object], value)]


def _check_scalar(value: object) -> object:
    match value:
        case str() if len(value) <= MAX_VALUE_LENGTH:
            return check_plain(value)
        case bool():
            return value
        case int() | float() if abs(value) < 10**15:
            return value
        case _:
            raise ValueError(
                f"must be a string of at most {MAX_VALUE_LENGTH} characters, a number below 10^15, or a boolean"
            )


Scalar = str | bool | int | float


class AttributeFilter(Write):
    """One condition on the metadata. With a list of values, one of them must match."""

    field: Annotated[Line, Field(description="The name of a metadata field, or a dotted path such as `page.url`")]
    operator: Annotated[str, AfterValidator(_check_operator), Field(json_schema_extra={"enum": OPERATOR_NAMES})]
    value: Annotated[Scalar | list[Scalar] | None, BeforeValidator(_check_value)] = Field(
        default=None, validate_default=True
    )

    @field_validator("value")
    @classmethod
    def _fits_operator(cls, value: Scalar | list[Scalar] | None, info: ValidationInfo) -> Scalar | list[Scalar] | None:
        operator = info.data.get("operator")
        if operator is None or operator in _OPERATORS_WITHOUT_VALUE:
            return None
        if value is None:
            raise ValueError(f"is required for the operator {operator}")
        if operator in _NUMERIC_OPERATORS and any(
            not numeric(each) for each in (value if isinstance(value, list) else [value])
        ):
            raise ValueError(f"must be a number for the operator {operator}")
        if any(isinstance(each, str) and not each.strip() for each in (value if isinstance(value, list) else [value])):
            raise ValueError(f"must not be empty for the operator {operator}; to find empty fields, use is_empty")
        return value


class AttributeFilterRead(Read):
    """One condition on the metadata. With a list of values, one of them must match."""

    # Not checked: the rules for new conditions may be stricter than they were when this one was stored.
    field: str
    operator: Annotated[str, Field(json_schema_extra={"enum": OPERATOR_NAMES})]
    value: Scalar | list[Scalar] | None = None


AttributeFilters = Annotated[
    list[AttributeFilter],
    BeforeValidator(
        lambda filters: [] if filters is None else filters, json_schema_input_type=list[AttributeFilter] | None
    ),
    Field(max_length=MAX_FILTERS, description="All of the conditions must match."),
]


def filters_key(filters: Sequence[Mapping[str, Any]]) -> str:
    """A digest of the conditions that doesn't depend on their order. Empty without conditions."""
    if not filters:
        return ""
    return sha256("\n".join(sorted(json.dumps(each, sort_keys=True) for each in filters)).encode()).hexdigest()
