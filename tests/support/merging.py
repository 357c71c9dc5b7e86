"""Merges whole histories as merging leads does row by row."""

from collections.abc import Iterable, Sequence

from leadvibe.engine import Fact, Reset, as_counted, order


def merge_histories(histories: Iterable[Sequence[Fact]]) -> list[Fact]:
    """The countable facts of several leads, each history with the resets of its own lead, in order."""
    facts = (fact for history in histories for fact in countable(history, latest_reset_at(history)))
    return sorted(facts, key=order)


def latest_reset_at(history: Iterable[Fact]) -> int | None:
    return max((fact.at for fact in history if isinstance(fact, Reset)), default=None)


def countable(facts: Iterable[Fact], reset_until: int | None) -> Iterable[Fact]:
    counted = (as_counted(fact, reset_until) for fact in facts)
    return (fact for fact in counted if fact is not None)
