"""What a standing has to remember, because some version of the configuration asks about the past.

A velocity filter counts events from before it was made, and a limit counts earlier uses of its rule. A standing keeps
what the versions known to it ask for. When a later version asks for more, the memory is too shallow for the event types
concerned, and only a replay can answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from leadvibe.engine.filters import Depth, velocity_filters
from leadvibe.engine.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Memory:
    depths: Mapping[str, Depth] = field(default_factory=dict[str, Depth])
    """How far back to remember an event type."""
    limited: Mapping[str, int] = field(default_factory=dict[str, int])
    """The rules whose uses are counted, and the version that first asked for it."""
    deepened: Mapping[str, int] = field(default_factory=dict[str, int])
    """The version that last asked for more about an event type."""

    def extended(self, version: int, snapshot: Snapshot) -> "Memory":
        depths, limited, deepened = dict(self.depths), dict(self.limited), dict(self.deepened)
        for velocity in velocity_filters(snapshot):
            depth = depths.get(velocity.event_type, Depth())
            deeper = depth.with_room_for(velocity)
            if deeper != depth:
                depths[velocity.event_type] = deeper
                deepened[velocity.event_type] = version
        for rule in snapshot.get("rules", ()):
            if rule.get("max_per_lead") is not None:
                since = limited.setdefault(rule["rule_id"], version)
                deepened[rule["event_type"]] = max(since, deepened.get(rule["event_type"], since))
        return Memory(depths, limited, deepened)
