"""The surge policy: a multiplier that grows with the number of scoring events in a row."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from leadvibe.engine.configuration import BandConfig, EffectiveSurge, SurgeConfig
from leadvibe.engine.instants import SECOND, Microseconds

ONE: Final = 1000
"""The neutral multiplier, in thousandths."""


def _band(min_events: int, max_events: int | None, multiplier: float) -> BandConfig:
    return BandConfig(min_events=min_events, max_events=max_events, multiplier=multiplier)


PRESETS: Mapping[str, EffectiveSurge] = {
    "off": EffectiveSurge(mode="off", bands=(_band(1, None, 1.0),), idle_reset_seconds=1800, multiplier_cap=1.0),
    "gentle": EffectiveSurge(
        mode="gentle",
        bands=(_band(1, 4, 1.0), _band(5, 9, 1.1), _band(10, None, 1.25)),
        idle_reset_seconds=1800,
        multiplier_cap=1.5,
    ),
    "standard": EffectiveSurge(
        mode="standard",
        bands=(_band(1, 4, 1.0), _band(5, 9, 1.25), _band(10, 19, 1.5), _band(20, None, 2.0)),
        idle_reset_seconds=1800,
        multiplier_cap=2.0,
    ),
}
_CUSTOM = EffectiveSurge(mode="custom", bands=(_band(1, None, 1.0),), idle_reset_seconds=1800, multiplier_cap=3.0)


def effective_policy(policy: SurgeConfig | None) -> EffectiveSurge:
    """Fill the gaps of a policy from its mode's preset. Only the mode `custom` uses bands of its own."""
    if policy is None:
        return PRESETS["off"]
    preset = PRESETS.get(policy.mode, _CUSTOM)
    return EffectiveSurge(
        mode=policy.mode,
        bands=(policy.bands if preset is _CUSTOM else None) or preset.bands,
        idle_reset_seconds=policy.idle_reset_seconds or preset.idle_reset_seconds,
        multiplier_cap=policy.multiplier_cap or preset.multiplier_cap,
    )


def thousandths(multiplier: float) -> int:
    """A multiplier in thousandths, without binary fractions."""
    return int((Decimal(str(multiplier)) * ONE).to_integral_value(ROUND_HALF_UP))


def boosted(base: int, multiplier: int) -> int:
    """Positive points times a multiplier in thousandths, rounded half up."""
    return (base * multiplier + ONE // 2) // ONE


@dataclass(frozen=True, slots=True)
class SurgePolicy:
    """The multiplier as a step function of the number of scoring events."""

    counts: tuple[int, ...]
    """The counts from which the multiplier at the same index applies."""
    multipliers: tuple[int, ...]
    """In thousandths."""
    idle: Microseconds
    """A longer pause ends the surge."""

    @classmethod
    def of(cls, policy: SurgeConfig | None) -> "SurgePolicy":
        surge = effective_policy(policy)
        cap = thousandths(surge.multiplier_cap)
        steps = {1: ONE}
        for band in sorted(surge.bands, key=lambda band: band.min_events):
            steps[band.min_events] = min(cap, thousandths(band.multiplier))
            if band.max_events is not None:
                steps[band.max_events + 1] = ONE
        return cls(tuple(steps), tuple(steps.values()), surge.idle_reset_seconds * SECOND)

    def multiplier(self, count: int) -> int:
        """The multiplier, in thousandths, for the `count`-th scoring event."""
        return self.multipliers[bisect_right(self.counts, count) - 1]
