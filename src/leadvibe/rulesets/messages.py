"""Jobs that a new configuration version causes, and the settings whose change causes them."""

from dataclasses import dataclass

from leadvibe.engine import Configuration


@dataclass(frozen=True, slots=True)
class AdvanceLeads:
    """Apply a change of the decay settings to all leads of an OU, including those without new events."""

    org_id: str
    unit_id: str


@dataclass(frozen=True, slots=True)
class RankLeads:
    """Sort all leads of an OU by the current primary ruleset."""

    org_id: str
    unit_id: str


def decay_settings(configuration: Configuration) -> tuple[object, ...]:
    """The settings that change scores without an event."""
    # Without decays, it doesn't matter which rulesets are active.
    rulesets = configuration.rulesets if configuration.decays else ()
    windows = [(each.ruleset_id, each.active, each.start_at, each.end_at) for each in rulesets]
    return configuration.allow_negative_scores, configuration.decays, windows


def primary_of(configuration: Configuration) -> str | None:
    """The primary ruleset, whose total is the score in lists and levels; None if the OU has no ruleset."""
    return next((ruleset.ruleset_id for ruleset in configuration.rulesets if ruleset.is_primary), None)
