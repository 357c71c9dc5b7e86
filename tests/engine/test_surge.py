"""The surge policy: presets, custom bands and rounding."""

from typing import Any

import pytest

from engine.builders import event, plans, rule
from engine.lead import lead_with
from leadvibe.engine import Standing, effective_policy
from leadvibe.engine.configuration import BandConfig, EffectiveSurge, SurgeConfig
from support.folding import fold

HALF_AN_HOUR = 1800


def bands(*bands: tuple[int, int | None, float]) -> tuple[BandConfig, ...]:
    return tuple(BandConfig(min_events=first, max_events=last, multiplier=factor) for first, last, factor in bands)


OFF = EffectiveSurge(mode="off", bands=bands((1, None, 1.0)), idle_reset_seconds=HALF_AN_HOUR, multiplier_cap=1.0)
GENTLE = EffectiveSurge(
    mode="gentle",
    bands=bands((1, 4, 1.0), (5, 9, 1.1), (10, None, 1.25)),
    idle_reset_seconds=HALF_AN_HOUR,
    multiplier_cap=1.5,
)
STANDARD = EffectiveSurge(
    mode="standard",
    bands=bands((1, 4, 1.0), (5, 9, 1.25), (10, 19, 1.5), (20, None, 2.0)),
    idle_reset_seconds=HALF_AN_HOUR,
    multiplier_cap=2.0,
)


def test_each_mode_has_its_preset() -> None:
    assert effective_policy(None) == OFF
    assert effective_policy(SurgeConfig(mode="off")) == OFF
    assert effective_policy(SurgeConfig(mode="gentle")) == GENTLE
    assert effective_policy(SurgeConfig(mode="standard")) == STANDARD
    assert effective_policy(SurgeConfig(mode="custom")) == EffectiveSurge(
        mode="custom", bands=bands((1, None, 1.0)), idle_reset_seconds=HALF_AN_HOUR, multiplier_cap=3.0
    )


def test_a_policy_overrides_the_numbers_of_its_preset_but_only_custom_has_bands_of_its_own() -> None:
    own = bands((1, None, 1.5))
    set_values: dict[str, Any] = {"bands": own, "idle_reset_seconds": 60, "multiplier_cap": 1.2}
    assert effective_policy(SurgeConfig(mode="gentle", **set_values)) == EffectiveSurge(
        mode="gentle", bands=GENTLE.bands, idle_reset_seconds=60, multiplier_cap=1.2
    )
    assert effective_policy(SurgeConfig(mode="custom", **set_values)) == EffectiveSurge(mode="custom", **set_values)


@pytest.mark.parametrize(
    ("policy", "multipliers"),
    [
        (None, [1000, 1000, 1000]),
        ({"mode": "off"}, [1000, 1000, 1000]),
        ({"mode": "standard", "multiplier_cap": 1.2}, [1000, 1200, 1200]),
        ({"mode": "gentle", "bands": [{"min_events": 1, "multiplier": 9}]}, [1000, 1100, 1250]),
        ({"mode": "custom", "bands": [{"min_events": 5, "max_events": 6, "multiplier": 3}]}, [1000, 3000, 1000]),
    ],
)
def test_a_surge_policy_multiplies_as_its_bands_say(policy: Any, multipliers: list[int]) -> None:
    outcome = fold(plans(rule(), surge_policy=policy), Standing(), [event(number) for number in range(10)])
    assert [outcome.entries[count - 1].multiplier for count in (1, 5, 10)] == multipliers


@pytest.mark.parametrize(("weight", "points"), [(10, 13), (2, 3), (6, 8), (1, 1)])
def test_surged_points_are_rounded_half_up(weight: int, points: int) -> None:
    quarter_more = [{"min_events": 1, "multiplier": 1.25}]
    lead = lead_with(plans(rule(weight=weight), surge_policy={"mode": "custom", "bands": quarter_more}), [event()])
    assert lead.totals == {"A": points}


def test_only_gains_are_multiplied() -> None:
    double = [{"min_events": 1, "multiplier": 2.0}]
    rules = rule(weight=10), rule(weight=0, ruleset_id="B"), rule(weight=-10, ruleset_id="C")
    lead = lead_with(plans(*rules, surge_policy={"mode": "custom", "bands": double}), [event()])
    assert [(line.ruleset_id, line.multiplier, line.points) for line in lead.lines.values()] == [
        ("A", 2000, 20),
        ("B", 1000, 0),
        ("C", 1000, -10),
    ]
