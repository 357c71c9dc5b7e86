"""What a standing has to remember, because some version of the configuration asks about the past.

A velocity filter counts events from before it was made, and a limit counts earlier uses of its rule. A standing keeps
what the versions known to it ask for. When a later version asks for more, the memory is too shallow for the event types
concerned, and only a replay can answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leadvibe.engine.configuration import Snapshot
from leadvibe.engine.filters import LookbackWindow, velocity_filters


@dataclass(frozen=True, slots=True)
class Lookback:
    lookback_windows: Mapping[str, LookbackWindow] = field(default_factory=dict[str, LookbackWindow])
    """How far back to remember an event type."""
    limited: Mapping[str, int] = field(default_factory=dict[str, int])
    """The rules whose uses are counted, and the version that first asked for it."""
    deepened: Mapping[str, int] = field(default_factory=dict[str, int])
    """The version that last asked for more about an event type."""

    def extended(self, version: int, snapshot: Snapshot) -> "Lookback":
        lookback_windows, limited, deepened = dict(self.lookback_windows), dict(self.limited), dict(self.deepened)
        for velocity in velocity_filters(snapshot):
            depth = lookback_windows.get(velocity.event_type, LookbackWindow())
            deeper = depth.with_room_for(velocity)
            if deeper != depth:
                lookback_windows[velocity.event_type] = deeper
                deepened[velocity.event_type] = version
        for rule in snapshot.get("rules", ()):
            if rule.get("max_per_lead") is not None:
                since = limited.setdefault(rule["rule_id"], version)
                deepened[rule["event_type"]] = max(since, deepened.get(rule["event_type"], since))
        return Lookback(lookback_windows, limited, deepened)
