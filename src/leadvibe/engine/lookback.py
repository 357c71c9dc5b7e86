"""Lookback: the parts of a lead's past that a standing must remember for the configuration's filters and limits.

A velocity filter counts events from before it was created, and a limit counts earlier uses of its rule. A standing
remembers as much as the versions known to it need. If a later version looks back further, the standing isn't enough for
the event types concerned, and their next event causes a replay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leadvibe.engine.configuration import Configuration
from leadvibe.engine.filters import LookbackWindow, velocity_filters


@dataclass(frozen=True, slots=True)
class Lookback:
    windows: Mapping[str, LookbackWindow] = field(default_factory=dict[str, LookbackWindow])
    """How far to look back, by event type."""
    limited_rules: Mapping[str, int] = field(default_factory=dict[str, int])
    """The rules whose uses are counted, and the version that first limited each."""
    required_versions: Mapping[str, int] = field(default_factory=dict[str, int])
    """By event type, the version that last extended its lookback."""

    def extended(self, version: int, configuration: Configuration) -> "Lookback":
        windows, limited_rules = dict(self.windows), dict(self.limited_rules)
        required_versions = dict(self.required_versions)
        for velocity in velocity_filters(configuration):
            window = windows.get(velocity.event_type, LookbackWindow())
            extended = window.including(velocity)
            if extended != window:
                windows[velocity.event_type] = extended
                required_versions[velocity.event_type] = version
        for rule in configuration.rules:
            if rule.max_per_lead is not None:
                since = limited_rules.setdefault(rule.rule_id, version)
                required_versions[rule.event_type] = max(since, required_versions.get(rule.event_type, since))
        return Lookback(windows, limited_rules, required_versions)
