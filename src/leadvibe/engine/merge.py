"""Merging histories: what a reset of one lead has cleared before a merge never counts in the merged lead."""

from dataclasses import replace

from leadvibe.engine.facts import Event, Fact


def as_counted(fact: Fact, reset_until: int | None) -> Fact | None:
    """A fact as it counts in a merged lead, or None if it doesn't.

    `reset_until` is the instant of the latest reset that the fact's own lead had before the merge. Up to then, events
    stay as activity only, and adjustments and resets are left out.
    """
    if reset_until is None or fact.at > reset_until:
        return fact
    return replace(fact, reset_before_merge=True) if isinstance(fact, Event) else None
