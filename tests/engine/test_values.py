"""The engine's values are immutable, so that compiled plans and standings can be shared."""

from dataclasses import fields, is_dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

import leadvibe.engine
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
