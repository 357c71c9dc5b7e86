"""The surge policy: presets, custom bands, rounding, and the record of each band entered."""

from typing import Any

import pytest

from engine.builders import MINUTE, NOON, SECOND, configuration, event, plans, reset, rule, versions
from engine.lead import Lead, lead_with
from leadvibe.engine import Standing, SurgeEvent, effective_policy
from leadvibe.engine.configuration import BandConfig, EffectiveSurge, SurgeConfig
from support.folding import fold

HALF_AN_HOUR = 1800
DOUBLE_FROM_TWO = {"mode": "custom", "bands": [{"min_events": 2, "multiplier": 2.0}]}


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


# Minutes of the events, then (minute, start, count, multiplier) of each surge event.
RECORDED = {
    "each band once": (range(25), [(4, 0, 5, 1250), (9, 0, 10, 1500), (19, 0, 20, 2000)]),
    "too few events": (range(4), []),
    "the longest pause goes on": ([0, 1, 2, 3, 33], [(33, 0, 5, 1250)]),
    "a longer pause starts again": ([0, 1, 2, 3, 33.1, 34, 35, 36], []),
    "each surge by itself": ([*range(5), *range(60, 65)], [(4, 0, 5, 1250), (64, 60, 5, 1250)]),
}


@pytest.mark.parametrize(("minutes", "recorded"), RECORDED.values(), ids=RECORDED.keys())
def test_each_band_that_a_surge_enters_is_recorded_once(
    minutes: list[float], recorded: list[tuple[int, int, int, int]]
) -> None:
    lead = lead_with(plans(rule(), surge_policy={"mode": "standard"}), [event(int(at * MINUTE)) for at in minutes])
    assert [
        ((each.at - NOON) / MINUTE, (each.start - NOON) / MINUTE, each.surge_count, each.multiplier)
        for each in lead.surge_events.values()
    ] == recorded


# Bands as (from, to, multiplier), then (count, multiplier) of each surge event.
BANDS = {
    "a band that falls, and one that rises again": (
        [(1, 2, 1), (3, 4, 2), (5, 6, 1.5), (7, None, 2)],
        [(3, 2000), (7, 2000)],
    ),
    "neighbors that multiply alike": ([(1, 2, 1), (3, 4, 2), (5, None, 2)], [(3, 2000)]),
    "a gap between two bands": ([(2, 2, 2), (4, None, 2)], [(2, 2000), (4, 2000)]),
    "a first band above one": ([(1, None, 1.5)], [(1, 1500)]),
    "bands above the cap": ([(1, 2, 1), (3, 4, 2.5), (5, None, 3)], [(3, 2500)]),
}


@pytest.mark.parametrize(("custom", "recorded"), BANDS.values(), ids=BANDS.keys())
def test_a_band_is_entered_when_the_multiplier_rises(
    custom: list[tuple[int, int | None, float]], recorded: list[tuple[int, int]]
) -> None:
    policy = {
        "mode": "custom",
        "bands": [{"min_events": first, "max_events": last, "multiplier": by} for first, last, by in custom],
        "multiplier_cap": 2.5,
    }
    lead = lead_with(plans(rule(), surge_policy=policy), [event(number * SECOND) for number in range(10)])
    assert [(each.surge_count, each.multiplier) for each in lead.surge_events.values()] == recorded


def test_a_surge_event_tells_its_event_and_channel() -> None:
    first, second = event(0, number=1), event(MINUTE, number=2, channel="email")
    lead = lead_with(plans(rule(), surge_policy=DOUBLE_FROM_TWO), [first, second])
    surge = SurgeEvent(second.id, NOON + MINUTE, "email", NOON, 2, 2000)
    assert lead.surge_events == {second.id: surge}


def test_events_that_gain_nothing_enter_no_band() -> None:
    scoring = plans(rule(), rule("leave", -10), rule("none", 0), surge_policy=DOUBLE_FROM_TWO)
    facts = [event(0), event(1, "leave"), event(2, "none"), event(3, channel="system"), event(4, "other")]
    assert not lead_with(scoring, facts).surge_events


def test_after_a_reset_a_surge_starts_again() -> None:
    lead = Lead(plans(rule(), surge_policy=DOUBLE_FROM_TWO))
    lead.receive(event(0), event(1, number=1), reset(2), event(3))
    assert [(each.event_id.int, each.start) for each in lead.surge_events.values()] == [(1, NOON)]
    lead.receive(event(4, number=2))
    assert [(each.event_id.int, each.start) for each in lead.surge_events.values()] == [(1, NOON), (2, NOON + 3)]


def test_a_reset_leaves_nothing_of_the_surge_in_the_standing() -> None:
    surging = plans(rule(), surge_policy=DOUBLE_FROM_TWO)
    before, after = (fold(surging, Standing(), [event(0), event(1), *more]).standing for more in ([], [reset(2)]))
    assert (before.surge_count, before.surge_at, before.surge_start, before.surge_multiplier) == (
        2,
        NOON + 1,
        NOON,
        2000,
    )
    assert (after.surge_count, after.surge_at, after.surge_start, after.surge_multiplier) == (0, None, None, 1000)


def test_a_policy_of_a_later_version_counts_on_and_rises_from_the_last_multiplier() -> None:
    double, triple = (
        configuration(rule(), surge_policy={"mode": "custom", "bands": [{"min_events": 2, "multiplier": by}]})
        for by in (2.0, 3.0)
    )
    lead = lead_with(
        versions((0, double), (NOON + 3, triple), (NOON + 5, double)),
        [event(at, version=version) for at, version in enumerate([1, 1, 1, 2, 2, 3, 2])],
    )
    assert [(each.at - NOON, each.surge_count, each.multiplier) for each in lead.surge_events.values()] == [
        (1, 2, 2000),
        (3, 4, 3000),
        (6, 7, 3000),
    ]


def test_a_late_event_moves_the_surge_event_to_the_event_that_enters_the_band_now() -> None:
    lead = Lead(plans(rule(), surge_policy=DOUBLE_FROM_TWO))
    lead.receive(event(2, number=1), event(4, number=2))
    assert [(each.event_id.int, each.start) for each in lead.surge_events.values()] == [(2, NOON + 2)]
    lead.receive(event(0, number=3))
    assert [(each.event_id.int, each.start) for each in lead.surge_events.values()] == [(1, NOON)]
