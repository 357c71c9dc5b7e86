"""Conditions on the properties of an event or a lead."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from leadvibe.engine.configuration import AttributeFilterConfig

Properties = Mapping[str, object]

# A comma separates thousands. In other places it may be a decimal comma, so such a text is no number.
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]*)?|\.[0-9]+)")
_IGNORED_IN_NUMBERS = str.maketrans("", "", "$€£¥ ")


Operand = str | Decimal
"""A value to compare: a text, stripped and in lower case, or an exact number."""


def _operand(value: object) -> Operand | None:
    match value:
        case str():
            return value.strip().lower()
        case bool():
            return "true" if value else "false"
        case int():
            return Decimal(value)
        case float() if math.isfinite(value):
            return Decimal(repr(value))
        case _:
            return None


def _text(operand: Operand) -> str:
    if isinstance(operand, str):
        return operand
    # JSON stores may return 100 for 1e2, so both must have the same text.
    text = f"{operand:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) if operand else "0"


def _number(operand: Operand) -> Decimal | None:
    """The operand as a number, or None if it is a text that isn't one."""
    if isinstance(operand, Decimal):
        return operand
    digits = operand.translate(_IGNORED_IN_NUMBERS)
    return Decimal(digits.replace(",", "")) if _NUMBER.fullmatch(digits) else None


def numeric(value: object) -> bool:
    """Whether a value is a number, or a text that can be read as one."""
    operand = _operand(value)
    return operand is not None and _number(operand) is not None


def _equal(actual: Operand, expected: Operand) -> bool:
    if isinstance(actual, str) and isinstance(expected, str):
        return actual == expected
    number = _number(actual)
    return number is not None and number == _number(expected)


def _numeric_test(compare: Callable[[Decimal, Decimal], bool]) -> "Test":
    def test(actual: Operand, expected: Operand) -> bool:
        left, right = _number(actual), _number(expected)
        return left is not None and right is not None and compare(left, right)

    return test


Test = Callable[[Operand, Operand], bool]

_TESTS: Mapping[str, Test] = {
    "equals": _equal,
    "in": _equal,
    "contains": lambda actual, expected: _text(expected) in _text(actual),
    "starts_with": lambda actual, expected: _text(actual).startswith(_text(expected)),
    "ends_with": lambda actual, expected: _text(actual).endswith(_text(expected)),
    "gt": _numeric_test(operator.gt),
    "gte": _numeric_test(operator.ge),
    "lt": _numeric_test(operator.lt),
    "lte": _numeric_test(operator.le),
}
_NEGATIONS = {"not_equals": "equals", "not_contains": "contains"}
OPERATOR_ALIASES = {
    "=": "equals",
    "==": "equals",
    "eq": "equals",
    "!=": "not_equals",
    "neq": "not_equals",
    ">": "gt",
    "greater_than": "gt",
    ">=": "gte",
    "greater_or_equal": "gte",
    "greater_than_or_equal": "gte",
    "<": "lt",
    "less_than": "lt",
    "<=": "lte",
    "less_or_equal": "lte",
    "less_than_or_equal": "lte",
}

OPERATORS = (*_TESTS, *_NEGATIONS, "is_empty", "is_not_empty")


def canonical_operator(name: str) -> str | None:
    """The operator for a name or an alias; None if there is none."""
    name = OPERATOR_ALIASES.get(name, name)
    return name if name in OPERATORS else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares one property with one or more values. It holds if any of them matches."""

    field: str
    operator: str
    expected: tuple[Operand, ...]

    @classmethod
    def of(cls, config: AttributeFilterConfig) -> "Comparison":
        name = canonical_operator(config.operator)
        if name is None:
            raise ValueError(f"unknown operator: {config.operator}")
        return cls(config.field, name, _operands(config.value))

    def holds(self, properties: Properties) -> bool:
        value = look_up(properties, self.field)
        match self.operator:
            case "is_empty":
                return _empty(value)
            case "is_not_empty":
                return not _empty(value)
            case "not_equals" if value is None:
                return True
            case "not_equals" | "not_contains":
                return value is not None and not self._any(_NEGATIONS[self.operator], value)
            case _:
                return self._any(self.operator, value)

    def _any(self, name: str, value: object) -> bool:
        test = _TESTS[name]
        return any(test(actual, expected) for actual in _operands(value) for expected in self.expected)


@dataclass(frozen=True, slots=True)
class Every:
    """Holds if all its parts hold."""

    parts: tuple[Comparison, ...]

    def holds(self, properties: Properties) -> bool:
        return all(part.holds(properties) for part in self.parts)


def look_up(properties: Properties, field: str) -> object:
    """The property with exactly this name, else the one at this dotted path, else None."""
    if field in properties:
        return properties[field]
    value: object = properties
    for name in field.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _operands(value: object) -> tuple[Operand, ...]:
    values = cast(Sequence[object], value) if isinstance(value, list | tuple) else (value,)
    return tuple(operand for operand in map(_operand, values) if operand is not None)


def _empty(value: object) -> bool:
    match value:
        case None:
            return True
        case str():
            return not value.strip()
        case list() | tuple() | dict():
            return not value
        case _:
            return False
