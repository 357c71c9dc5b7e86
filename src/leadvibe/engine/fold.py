"""The fold: applies facts to a standing and returns ledger entries and the new standing."""

from collections.abc import Iterable

from leadvibe.engine.entries import Outcome
from leadvibe.engine.facts import LIFT, Fact
from leadvibe.engine.instants import Instant
from leadvibe.engine.plans import Plans
from leadvibe.engine.reducer import Reducer
from leadvibe.engine.standing import Standing


def fold_until(plans: Plans, standing: Standing, facts: Iterable[Fact], until: Instant) -> Outcome:
    """Apply facts, then the decays and lifts that fall due up to and including `until`.

    The facts must be in canonical order and come after everything that the standing includes. Late facts, rescores,
    merges, deletions and simulations are folds from the empty standing.
    """
    reducer = Reducer(plans, standing)
    for fact in facts:
        reducer.apply(fact)
    return reducer.outcome(reducer.advance_to(until, LIFT + 1))


def advance(plans: Plans, standing: Standing, until: Instant) -> Outcome:
    """Apply the decays and lifts that fall due up to and including `until` if no further fact comes."""
    return fold_until(plans, standing, (), until)
