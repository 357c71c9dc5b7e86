"""Several leads' histories become one: what their own resets took in stays out of it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from leadvibe.engine.facts import Event, Fact, Reset, order


def united(histories: Iterable[Sequence[Fact]]) -> list[Fact]:
    """The countable facts of several leads, each history with the resets of its own lead, in order."""
    facts = (fact for history in histories for fact in countable(history, watermark(history)))
    return sorted(facts, key=order)


def watermark(history: Iterable[Fact]) -> int | None:
    """The instant of the latest reset: nothing of this history up to then counts any more."""
    return max((fact.at for fact in history if isinstance(fact, Reset)), default=None)


def countable(facts: Iterable[Fact], watermark: int | None) -> Iterable[Fact]:
    """Facts without what a reset at that instant took in. Events of before stay as activity, and nothing else does."""
    for fact in facts:
        if watermark is None or fact.at > watermark:
            yield fact
        elif isinstance(fact, Event):
            yield replace(fact, taken_in=True)
