"""Which ruleset's total is the score: a change of it has to reach every lead."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RankLeads:
    """Let lists sort every lead of an OU by the ruleset that is primary now."""

    org_id: str
    unit_id: str


def primary_of(snapshot: Mapping[str, Any]) -> str | None:
    """The ruleset whose total lists and levels call the score; None where the OU has no ruleset."""
    return next((ruleset["ruleset_id"] for ruleset in snapshot.get("rulesets", ()) if ruleset.get("is_primary")), None)
