"""Counts the steps that the engine takes."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from leadvibe.engine.intervals import Step
from leadvibe.engine.reducer import Reducer


@dataclass
class Counts:
    steps: int = 0
    searches: int = 0
    """For the next step."""


@contextmanager
def counting() -> Generator[Counts]:
    counts, step, search = Counts(), Reducer._step, Reducer.next_step

    def counted_step(reducer: Reducer, each: Step) -> None:
        counts.steps += 1
        step(reducer, each)

    def counted_search(reducer: Reducer) -> Step | None:
        counts.searches += 1
        return search(reducer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reducer, "_step", counted_step)
        patch.setattr(Reducer, "next_step", counted_search)
        yield counts
