"""The fold: facts in order over a standing give a ledger and a new standing."""

from collections.abc import Iterable

from leadvibe.engine.entries import Outcome
from leadvibe.engine.facts import LIFT, Fact
from leadvibe.engine.plans import Plans
from leadvibe.engine.reducer import Reducer
from leadvibe.engine.standing import Standing


def fold(plans: Plans, standing: Standing, facts: Iterable[Fact]) -> Outcome:
    """Let facts happen, in canonical order, each after everything that the standing has seen.

    A late fact, a rescore, a merge, a deletion and a simulation are folds from the empty standing.
    """
    walk = Reducer(plans, standing)
    for fact in facts:
        walk.take(fact)
    return walk.outcome(walk.next_step())


def fold_until(plans: Plans, standing: Standing, facts: Iterable[Fact], until: int) -> Outcome:
    """Let facts happen, and then what falls due until an instant: a score that is read then is the score as it is."""
    walk = Reducer(plans, standing)
    for fact in facts:
        walk.take(fact)
    return walk.outcome(walk.advance_to(until, LIFT + 1))


def advance(plans: Plans, standing: Standing, until: int) -> Outcome:
    """Let everything happen that falls due up to and at an instant if no fact comes before it."""
    return fold_until(plans, standing, (), until)
