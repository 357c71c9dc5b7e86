"""The surge policy: the more a lead does in one go, the more each of its points counts."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from leadvibe.engine.configuration import BandConfig, EffectiveSurge, SurgeConfig
from leadvibe.engine.instants import SECOND

ONE: Final = 1000
"""The multiplier that changes nothing, in thousandths."""


def _band(min_events: int, max_events: int | None, multiplier: float) -> BandConfig:
    return {"min_events": min_events, "max_events": max_events, "multiplier": multiplier}


PRESETS: Mapping[str, EffectiveSurge] = {
    "off": {"mode": "off", "bands": [_band(1, None, 1.0)], "idle_reset_seconds": 1800, "multiplier_cap": 1.0},
    "gentle": {
        "mode": "gentle",
        "bands": [_band(1, 4, 1.0), _band(5, 9, 1.1), _band(10, None, 1.25)],
        "idle_reset_seconds": 1800,
        "multiplier_cap": 1.5,
    },
    "standard": {
        "mode": "standard",
        "bands": [_band(1, 4, 1.0), _band(5, 9, 1.25), _band(10, 19, 1.5), _band(20, None, 2.0)],
        "idle_reset_seconds": 1800,
        "multiplier_cap": 2.0,
    },
}
_CUSTOM: EffectiveSurge = {
    "mode": "custom",
    "bands": [_band(1, None, 1.0)],
    "idle_reset_seconds": 1800,
    "multiplier_cap": 3.0,
}


def effective_policy(policy: SurgeConfig | None) -> EffectiveSurge:
    """The policy with every gap filled: a preset keeps its own bands, whatever else was stored with it."""
    if policy is None:
        return PRESETS["off"]
    preset = PRESETS.get(policy["mode"], _CUSTOM)
    return {
        "mode": policy["mode"],
        "bands": (policy.get("bands") if preset is _CUSTOM else None) or preset["bands"],
        "idle_reset_seconds": policy.get("idle_reset_seconds") or preset["idle_reset_seconds"],
        "multiplier_cap": policy.get("multiplier_cap") or preset["multiplier_cap"],
    }


def thousandths(multiplier: float) -> int:
    """A multiplier in thousandths, free of binary fractions."""
    return int((Decimal(str(multiplier)) * ONE).to_integral_value(ROUND_HALF_UP))


def boosted(base: int, multiplier: int) -> int:
    """A gain times thousandths, rounded half away from zero."""
    return (base * multiplier + ONE // 2) // ONE


@dataclass(frozen=True, slots=True)
class SurgePolicy:
    """Steps of the multiplier over the running count of scoring events."""

    counts: tuple[int, ...]
    multipliers: tuple[int, ...]
    idle: int

    @classmethod
    def of(cls, policy: SurgeConfig | None) -> "SurgePolicy":
        surge = effective_policy(policy)
        cap = thousandths(surge["multiplier_cap"])
        steps = {1: ONE}
        for band in sorted(surge["bands"], key=lambda band: band["min_events"]):
            steps[band["min_events"]] = min(cap, thousandths(band["multiplier"]))
            if (last := band.get("max_events")) is not None:
                steps[last + 1] = ONE
        return cls(tuple(steps), tuple(steps.values()), surge["idle_reset_seconds"] * SECOND)

    def multiplier(self, count: int) -> int:
        return self.multipliers[bisect_right(self.counts, count) - 1]
