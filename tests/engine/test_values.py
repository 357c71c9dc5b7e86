"""The engine's values: they are immutable, so that they can be shared, and their stored form never changes."""

from dataclasses import fields, is_dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from uuid import UUID

import pytest

import leadvibe.engine
from engine.builders import NOON, versions
from leadvibe.engine import Configuration, Event, Standing
from leadvibe.engine.configuration import EventTypeConfig, FilterConfig, RulesetConfig
from leadvibe.engine.facts import ADJUSTMENT, DECAY, EVENT, LIFT, RESET
from leadvibe.engine.filters import LookbackWindow
from leadvibe.engine.instants import BEGINNING, END
from leadvibe.engine.sessions import OpenSession


def dataclasses() -> list[Any]:
    names = [module.name for module in iter_modules(leadvibe.engine.__path__, "leadvibe.engine.")]
    classes = (each for name in names for each in vars(import_module(name)).values() if isinstance(each, type))
    return sorted({each for each in classes if is_dataclass(each)}, key=lambda each: each.__name__)


@pytest.mark.parametrize("value", dataclasses(), ids=lambda value: value.__name__)
def test_a_value_is_frozen_and_slotted(value: Any) -> None:
    assert value.__dataclass_params__.frozen is (value is not OpenSession)
    assert "__slots__" in vars(value)
    if value.__module__ == "leadvibe.engine.configuration":
        assert all(field.kw_only for field in fields(value))


def test_what_a_configuration_leaves_out_has_a_default() -> None:
    assert Configuration() == Configuration(
        rulesets=(),
        rules=(),
        surge_policy=None,
        decays=(),
        filters=(),
        event_types={},
        allow_negative_scores=False,
        session_timeout_minutes=30,
    )
    assert RulesetConfig(ruleset_id="A") == RulesetConfig(
        ruleset_id="A", active=True, is_primary=False, start_at=None, end_at=None
    )
    filter_config = FilterConfig(filter_id="f", event_type="a", count_threshold=1, time_window_ms=1)
    assert not filter_config.group_events
    assert EventTypeConfig() == EventTypeConfig(hidden=False, max_processing_scope="activate")


def test_an_event_is_not_reset_by_default() -> None:
    assert not Event(UUID(int=1), "page_view", NOON, b"", "", 1, {}, "web").reset_before_merge


def test_the_empty_standing_has_one_form() -> None:
    assert Standing().dump() == [[-(2**63), 0, ""], 0, 0, {}, {}, 0, None, None, None, {}, None, 1000]


def test_ranks_are_stored_as_they_always_were() -> None:
    assert (DECAY, EVENT, ADJUSTMENT, RESET, LIFT) == (0, 1, 2, 3, 4)


def test_instants_are_64_bits_long() -> None:
    assert (BEGINNING, END) == (-(2**63), 2**63 - 1)


def test_nothing_is_remembered_for_an_event_type_without_filters() -> None:
    assert LookbackWindow() == LookbackWindow(count=0, length=0, burst_windows=frozenset())


def test_the_100_most_recently_used_plans_stay_compiled() -> None:
    many = versions(*((number, Configuration()) for number in range(101)))
    first = many.compiled(1)
    for number in range(2, 101):
        many.compiled(number)
    assert many.compiled(1) is first
    second = many.compiled(2)
    for number in (1, *range(3, 102)):
        many.compiled(number)
    assert many.compiled(2) is not second
