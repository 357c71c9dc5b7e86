"""Jobs that a new version of the configuration causes, and the parts of it that cause them."""

# Decoded JSON: values whose keys and items nothing types.
# pyright: reportUnknownVariableType=false

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AdvanceLeads:
    """Apply a change of the decay settings to every lead of an OU, also to those that get no event."""

    org_id: str
    unit_id: str


@dataclass(frozen=True, slots=True)
class RankLeads:
    """Sort every lead of an OU by the ruleset that is primary now."""

    org_id: str
    unit_id: str


def decay_settings(snapshot: Mapping[str, Any]) -> tuple[Any, ...]:
    """The part of a configuration that changes scores without any event."""
    decays = snapshot.get("decays", [])
    # Only decay depends on which rulesets are active.
    rulesets = snapshot["rulesets"] if decays else []
    edges = [(each["ruleset_id"], each["active"], each["start_at"], each["end_at"]) for each in rulesets]
    return snapshot["allow_negative_scores"], decays, edges


def primary_of(snapshot: Mapping[str, Any]) -> str | None:
    """The ruleset whose total is the score of lists and levels; None if the OU has no ruleset."""
    return next((ruleset["ruleset_id"] for ruleset in snapshot.get("rulesets", ()) if ruleset.get("is_primary")), None)
