"""What a configuration does to leads that are silent: a change of it has to reach them all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AdvanceLeads:
    """Bring every lead of an OU up to now under a configuration that does something else to silence."""

    org_id: str
    unit_id: str


def silence(snapshot: Mapping[str, Any]) -> tuple[Any, ...]:
    """The part of a snapshot that acts on scores when no event does."""
    decays = snapshot.get("decays", [])
    # Decay is all that asks which rulesets are active.
    rulesets = snapshot["rulesets"] if decays else []
    edges = [(each["ruleset_id"], each["active"], each["start_at"], each["end_at"]) for each in rulesets]
    return snapshot["allow_negative_scores"], decays, edges
