"""Merging histories: facts that a reset cleared before a merge never count in the merged lead."""

from dataclasses import replace

from leadvibe.engine.facts import Event, Fact
from leadvibe.engine.instants import Instant


def as_counted(fact: Fact, reset_until: Instant | None) -> Fact | None:
    """A fact as it counts in a merged lead, or None if it doesn't count.

    `reset_until` is the instant of the latest reset of the fact's original lead before the merge. Up to that instant,
    events stay as activity only; adjustments and resets are left out.
    """
    if reset_until is None or fact.at > reset_until:
        return fact
    return replace(fact, reset_before_merge=True) if isinstance(fact, Event) else None
