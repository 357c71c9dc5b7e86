"""Conditions on properties: which operators hold for which values."""

from typing import Any

import pytest

from leadvibe.engine import OPERATORS, canonical_operator, numeric
from leadvibe.engine.conditions import Comparison, Every
from leadvibe.engine.configuration import AttributeFilterConfig

LEAD = {
    "title": " VP of Sales ",
    "size": 250,
    "ratio": 2.5,
    "revenue": "$1,200,000",
    "band": "201-500",
    "active": True,
    "tags": ["Gold", "early"],
    "none": None,
    "blank": "  ",
    "empty_list": [],
    "empty_map": {},
    "company": {"name": "Acme", "address": {"city": "Berlin"}},
    "company.name": "Exact Ltd",
    "hundred": 1e2,
    "large": 1e23,
    "zero": -0.0,
    "nothing_finite": float("inf"),
}


def comparison(field: str, operator: str, value: Any = None) -> Comparison:
    value = tuple(value) if isinstance(value, list) else value
    return Comparison.of(AttributeFilterConfig(field=field, operator=operator, value=value))


def holds(field: str, operator: str, value: Any = None) -> bool:
    return comparison(field, operator, value).holds(LEAD)


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("title", "equals", "vp of sales"),
        ("title", "=", "VP OF SALES"),
        ("title", "contains", "vp"),
        ("title", "starts_with", "VP"),
        ("title", "ends_with", "sales "),
        ("title", "not_equals", "CEO"),
        ("title", "not_contains", "finance"),
        ("title", "equals", ["ceo", "VP of sales"]),
        ("title", "in", ["ceo", "VP of sales"]),
        ("title", "not_equals", ["ceo", "cfo"]),
        ("size", "equals", 250.0),
        ("size", "equals", "250"),
        ("size", "gt", 249),
        ("size", "greater_than", "249"),
        ("size", ">=", 250),
        ("size", "lt", 250.5),
        ("size", "less_than_or_equal", 250),
        ("size", "starts_with", 25),
        ("ratio", "equals", "2.50"),
        ("revenue", "gt", 1_000_000),
        ("active", "equals", True),
        ("active", "equals", "true"),
        ("tags", "equals", "gold"),
        ("tags", "contains", "earl"),
        ("tags", "not_equals", "silver"),
        ("company.address.city", "equals", "berlin"),
        ("company.name", "equals", "exact ltd"),
        ("hundred", "ends_with", "00"),
        ("hundred", "equals", 100),
        ("large", "equals", 10**23),
        ("zero", "starts_with", "0"),
        ("missing", "is_empty", None),
        ("none", "is_empty", None),
        ("blank", "is_empty", None),
        ("empty_list", "is_empty", None),
        ("empty_map", "is_empty", None),
        ("size", "is_not_empty", None),
        ("title", "is_not_empty", None),
        ("missing", "not_equals", "x"),
        ("title.missing", "not_equals", "x"),
        ("company", "not_equals", "Acme"),
    ],
)
def test_conditions_that_hold(field: str, operator: str, value: object) -> None:
    assert holds(field, operator, value)


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("title", "equals", "vp"),
        ("title", "not_equals", "VP of Sales"),
        ("title", "not_equals", ["ceo", "VP of Sales"]),
        ("title", "not_contains", "sales"),
        ("title", "gt", 1),
        ("size", "gt", "many"),
        ("size", "gte", 251),
        ("size", "equals", "two hundred and fifty"),
        ("band", "gte", 201),
        ("active", "equals", 1),
        ("tags", "not_equals", "gold"),
        ("tags", "equals", ["silver", "bronze"]),
        ("missing", "equals", "x"),
        ("missing", "equals", None),
        ("missing", "contains", "x"),
        ("missing", "not_contains", "x"),
        ("missing", "lt", 5),
        ("missing", "is_not_empty", None),
        ("blank", "is_not_empty", None),
        ("size", "is_empty", None),
        ("company", "equals", "Acme"),
        ("company.address.city.part", "equals", "berlin"),
        ("nothing_finite", "gt", 1),
    ],
)
def test_conditions_that_do_not_hold(field: str, operator: str, value: object) -> None:
    assert not holds(field, operator, value)


def test_a_number_may_be_of_any_length() -> None:
    assert comparison("n", "gt", 10**15).holds({"n": 10**5000})
    assert comparison("n", "ends_with", "01").holds({"n": 10**5000 + 1})


@pytest.mark.parametrize(
    ("value", "reads_as_one"),
    [(5, True), (-0.5, True), ("$ 1,200.50", True), ("12 apples", False), (True, False), (None, False), ([5], False)],
)
def test_a_number_is_one_that_reads_as_one(value: object, reads_as_one: bool) -> None:
    assert numeric(value) is reads_as_one


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,200", 1200),
        ("1,200.50", 1200.5),
        ("12,345,678", 12_345_678),
        ("-999,000.", -999_000),
        ("1200.5", 1200.5),
        ("0012", 12),
        (".5", 0.5),
        ("€ 1 200", 1200),
        ("$1,000", 1000),
        ("9,99", None),
        ("1200,50", None),
        ("1,2,3", None),
        ("1,2000", None),
        ("1234,567", None),
        ("0,123", None),
        ("1,200,5", None),
        ("1.200,50", None),
        ("1.5,000", None),
        (",200", None),
        ("1,", None),
        ("1,,200", None),
        ("12,", None),
        ("", None),
    ],
)
def test_a_comma_separates_thousands_and_nothing_else(text: str, number: float | None) -> None:
    assert numeric(text) is (number is not None)
    filters = [comparison("n", "equals", number), comparison("n", "gte", number), comparison("n", "lte", number)]
    assert all(each.holds({"n": text}) for each in filters) is (number is not None)
    assert comparison("n", "equals", text).holds({"n": number}) is (number is not None)


def test_every_part_must_hold() -> None:
    big = comparison("size", "gt", 100)
    small = comparison("size", "lt", 100)
    assert Every((big, big)).holds(LEAD)
    assert not Every((big, small)).holds(LEAD)
    assert Every(()).holds(LEAD)


def test_operators_have_other_names() -> None:
    assert canonical_operator("greater_than") == "gt"
    assert canonical_operator("resembles") is None
    assert {canonical_operator(name) for name in OPERATORS} == set(OPERATORS)


def test_an_unknown_operator_is_an_error() -> None:
    with pytest.raises(ValueError, match="resembles"):
        holds("title", "resembles", "x")
