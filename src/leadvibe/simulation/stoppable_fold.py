"""The fold in parts, so that a simulation can stop within a long history."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from leadvibe.core.threads import StopSignal
from leadvibe.engine import Entry, Fact, Plans, Standing, fold_until

STEPS_PER_PART: Final = 1_000
"""About so many decay steps are folded between two checks of the signal."""


@dataclass(frozen=True, slots=True)
class Folded:
    standing: Standing
    entries: list[Entry]


def fold_stoppable(
    plans: Plans, facts: Sequence[Fact], until: int, signal: StopSignal, *, steps: int = STEPS_PER_PART
) -> Folded:
    """Fold all facts of a lead, which are in canonical order. Equals one call of `fold_until` from the empty standing.

    Raises Stopped soon after the signal is set. Between two facts the engine may derive any number of decay steps, so
    the time is divided where they are frequent.
    """
    standing, entries, folded = Standing(), list[Entry](), 0
    for end in _ends(facts[0].at if facts else until, until, longest_part(plans, steps)):
        signal.check()
        # A fact may be later than `until` if a clock was set back. It belongs to the last part.
        upto = len(facts) if end == until else bisect_right(facts, end, lo=folded, key=lambda fact: fact.at)
        outcome = fold_until(plans, standing, signal.checked(facts[folded:upto]), end)
        standing, folded = outcome.standing, upto
        entries += outcome.entries
    return Folded(standing, entries)


def longest_part(plans: Plans, steps: int) -> int | None:
    """The time in which at most about so many decay steps are due. None if there are no decay rules."""
    rates = (sum(1 / rule.period for rule in settings.decays.values()) for settings in plans.timeline.version_settings)
    highest = max(rates, default=0)
    return max(1, int(steps / highest)) if highest else None


def _ends(start: int, until: int, longest: int | None) -> Iterator[int]:
    """The ends of the parts of the time from `start` to `until`."""
    if longest is not None:
        yield from range(start + longest, until, longest)
    yield until
