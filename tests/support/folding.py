"""Folds that only tests need."""

from collections.abc import Iterable
from dataclasses import replace

from leadvibe.engine import Event, Fact, Outcome, Plans, Standing, order
from leadvibe.engine.reducer import Reducer


def fold(plans: Plans, standing: Standing, facts: Iterable[Fact]) -> Outcome:
    """Apply facts in canonical order, and no step that is due after the last of them."""
    reducer = Reducer(plans, standing)
    for fact in facts:
        reducer.apply(fact)
    return reducer.outcome(reducer.next_step())


def with_version(facts: Iterable[Fact], version: int) -> list[Fact]:
    """The same facts in canonical order, with every event judged by one version."""
    return sorted((replace(fact, version=version) if isinstance(fact, Event) else fact for fact in facts), key=order)
