"""What a change of the configuration does, and what it leaves alone."""

# Snapshots of these tests have every part.
# pyright: reportTypedDictNotRequiredAccess=false

from typing import Any

import pytest

from engine.given import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    WEEK,
    adjustment,
    event,
    plans,
    reset,
    rule,
    snapshot,
    versions,
)
from engine.unit import Lead, told
from leadvibe.engine import PRESETS, Plans, effective_policy, fold
from leadvibe.engine.standing import Standing

UNFILTERED = snapshot(rule())
WEEKLY: Any = {"decay_id": "d", "inactive_for": 7, "unit": "days", "decrease": 5}


def filtered(**more: Any) -> Any:
    velocity = {"filter_id": "f", "event_type": "page_view", "count_threshold": 2, "time_window_ms": 60_000}
    return snapshot(rule(), filters=[{**velocity, **more}])


def extended(lead: Lead, *snapshots: Any, at: int) -> None:
    newest = lead.plans.newest
    lead.plans = lead.plans.extended([(newest + n, NOON + at, each) for n, each in enumerate(snapshots, start=1)])


def test_no_edit_is_retroactive() -> None:
    lead = told(versions((0, snapshot(rule(weight=10)))), [event()])
    extended(lead, snapshot(rule(weight=50)), at=MINUTE)
    lead.receive(event(HOUR, version=2))
    lead.receive(event(MINUTE, version=1))
    assert lead.totals == {"A": 70}


def test_a_rescore_judges_everything_by_one_version() -> None:
    both = versions((0, snapshot(rule(weight=10))), (NOON, snapshot(rule(weight=50))))
    lead = told(both, [event(-1), event(1, version=2)])
    lead.rescore(2)
    assert lead.totals == {"A": 100}


def test_a_velocity_filter_counts_what_happened_before_it_was_made() -> None:
    lead = Lead(versions((0, UNFILTERED)))
    lead.receive(event(0), event(SECOND))
    extended(lead, filtered(), at=2 * SECOND)
    lead.receive(event(3 * SECOND, version=2))
    assert lead.totals == {"A": 20}


NEVER = {"filter_id": "f", "event_type": "page_view", "count_threshold": 1_000, "time_window_ms": 1}


@pytest.mark.parametrize("filters", [[], [NEVER]])
def test_a_limit_counts_uses_from_before_it_was_set(filters: list[Any]) -> None:
    lead = Lead(versions((0, snapshot(rule(), filters=filters))))
    lead.receive(event(0), event(1))
    extended(lead, snapshot(rule(max_per_lead=3), filters=filters), at=2)
    lead.receive(event(3, version=2))
    lead.receive(event(4, version=2))
    assert lead.totals == {"A": 30}


def test_a_limit_that_moves_to_another_event_type_keeps_its_count() -> None:
    lead = Lead(versions((0, snapshot(rule(rule_id="r")))))
    lead.receive(event(0))
    extended(lead, snapshot(rule("b", rule_id="r", max_per_lead=2)), at=1)
    extended(lead, snapshot(rule("c", rule_id="r", max_per_lead=2)), at=2)
    lead.receive(event(3, "c", version=3), event(4, "c", version=3))
    assert lead.totals == {"A": 20}


def test_a_limit_counts_from_the_last_reset() -> None:
    lead = told(plans(rule(max_per_lead=1)), [event(0), event(1), reset(2), event(3), event(4)])
    assert lead.totals == {"A": 10}


def test_a_filter_and_a_limit_use_nothing_up_for_what_does_not_count() -> None:
    limited = rule(max_per_lead=1, attribute_filters=[{"field": "tier", "operator": "equals", "value": "gold"}])
    lead = told(plans(limited), [event(0), event(1, metadata={"tier": "gold"}), event(2, metadata={"tier": "gold"})])
    assert lead.totals == {"A": 10}


def test_of_two_filters_the_shorter_window_names_the_reason() -> None:
    short = {"filter_id": "2", "event_type": "page_view", "count_threshold": 1, "time_window_ms": 1_000}
    long = {"filter_id": "1", "event_type": "page_view", "count_threshold": 1, "time_window_ms": 9_000}
    first = {**short, "filter_id": "0", "group_events": True}
    lead = told(plans(rule(), filters=[long, {**short, "group_events": True}]), [event(0), event(1)])
    assert [mark.suppression_reason for mark in lead.verdicts.values()] == [None, "inorganic_grouped"]
    lead = told(plans(rule(), filters=[long, short, first]), [event(0), event(1)])
    assert [mark.suppression_reason for mark in lead.verdicts.values()] == [None, "inorganic_grouped"]


def test_switching_negatives_off_lifts_every_negative_total() -> None:
    allowed, floored = (
        snapshot(rule(weight=-5), rule("good", 3), rule(ruleset_id="B"), allow_negative_scores=negatives)
        for negatives in (True, False)
    )
    switched = versions((0, allowed), (NOON + HOUR, floored))
    lead = told(switched, [event(0)])
    assert lead.totals == {"A": -5, "B": 10}
    assert lead.next_decay_at == NOON + HOUR
    lead.advance(NOON + HOUR)
    assert lead.totals == {"B": 10}
    assert [(line.kind, line.cause, line.applied) for line in lead.lines.values()][-1] == (
        "lift",
        "allow_negative_scores",
        5,
    )
    lead.receive(event(2 * HOUR, "good", version=2))
    assert lead.totals == {"A": 3, "B": 10}


def test_at_the_instant_of_the_lifting_the_floor_holds_already() -> None:
    allowed = snapshot(rule(weight=-5), allow_negative_scores=True)
    lead = told(versions((0, allowed), (NOON + HOUR, snapshot(rule(weight=-5)))), [event(0), adjustment(HOUR, 3)])
    lead.advance(NOON + 2 * HOUR)
    assert [(line.kind, line.applied) for line in lead.lines.values()] == [("event", -5), ("adjustment", 5)]


def test_a_process_that_knows_fewer_versions_leaves_no_hole_in_the_memory() -> None:
    behind = versions((0, UNFILTERED))
    ahead = behind.extended([(2, NOON + 1, filtered())])
    lead = Lead(ahead)
    lead.receive(event(0), event(2, "other", version=2))
    lead.plans = behind
    lead.receive(event(3))
    lead.plans = ahead
    lead.receive(event(4, version=2))
    assert lead.totals == {"A": 20}


def test_a_decay_rule_keeps_its_instants_when_only_its_decrease_changes() -> None:
    weekly, harder = ({"decay_id": "d", "inactive_for": 7, "unit": "days", "decrease": by} for by in (5, 8))
    both = versions((0, snapshot(rule(weight=100), decays=[weekly])), (NOON + 10 * DAY, snapshot(decays=[harder])))
    lead = told(both, [event()])
    lead.advance(NOON + 14 * DAY)
    assert [((line.at - NOON) // DAY, line.applied) for line in lead.lines.values()] == [(0, 100), (7, -5), (14, -8)]


def test_a_decay_rule_begins_again_when_its_period_changes_and_ends_when_it_is_deleted() -> None:
    hourly = {**WEEKLY, "inactive_for": 48, "unit": "hours"}
    edited = versions(
        (0, snapshot(rule(weight=100), decays=[WEEKLY])),
        (NOON + 10 * DAY, snapshot(decays=[hourly])),
        (NOON + 15 * DAY, snapshot()),
    )
    lead = told(edited, [event()])
    lead.advance(NOON + 30 * DAY)
    assert [(line.at - NOON) // DAY for line in lead.lines.values()] == [0, 7, 12, 14]
    assert lead.next_decay_at is None


def test_the_same_period_in_another_unit_is_no_edit() -> None:
    same = {**WEEKLY, "inactive_for": 1, "unit": "weeks"}
    lead = told(versions((0, snapshot(rule(), decays=[WEEKLY])), (NOON + DAY, snapshot(decays=[same]))), [event()])
    assert lead.next_decay_at == NOON + WEEK


def test_decay_spares_a_ruleset_outside_its_window() -> None:
    given = snapshot(rule(), rule(ruleset_id="B"), decays=[WEEKLY])
    given["rulesets"][1]["end_at"] = "2026-01-05T00:00:00Z"
    lead = told(versions((0, given)), [event()])
    lead.advance(NOON + 8 * DAY)
    assert lead.totals == {"A": 5, "B": 10}


def test_a_version_that_was_overlooked_is_made_good() -> None:
    lead = told(versions((0, snapshot(rule(weight=-5), allow_negative_scores=True))), [event(HOUR)])
    assert lead.totals == {"A": -5}
    extended(lead, snapshot(rule(weight=-5)), at=0)
    lead.advance(NOON + HOUR)
    assert lead.totals == {}
    assert lead.replays == 1


def test_versions_of_one_instant_act_as_the_last_of_them() -> None:
    allowed, floored = snapshot(rule(weight=-5), allow_negative_scores=True), snapshot(rule(weight=-5))
    lead = told(versions((0, allowed), (NOON, floored), (NOON, allowed)), [event(), event(1)])
    assert lead.totals == {"A": -10}


def test_a_clock_that_stepped_back_keeps_the_versions_in_their_order() -> None:
    allowed, floored = snapshot(rule(weight=-5), allow_negative_scores=True), snapshot(rule(weight=-5))
    lead = told(versions((0, allowed), (NOON + HOUR, floored), (NOON, allowed)), [event(HOUR)])
    assert lead.totals == {"A": -5}


def test_a_draft_decay_exists_from_the_beginning_of_its_window() -> None:
    draft = plans(rule(weight=100)).drafted(snapshot(rule(weight=100), decays=[WEEKLY]), NOON + 20 * DAY)
    lead = told(draft, [event()])
    lead.advance(NOON + 30 * DAY)
    assert [(line.at - NOON) // DAY for line in lead.lines.values()] == [0, 20, 27]


def test_draft_decays_stay_in_force_whatever_was_changed_within_the_window() -> None:
    live = versions((0, snapshot(rule(weight=100))), (NOON + 10 * DAY, snapshot(decays=[{**WEEKLY, "decay_id": "e"}])))
    lead = told(live.drafted(snapshot(decays=[WEEKLY]), NOON + 8 * DAY), [event()])
    lead.advance(NOON + 22 * DAY)
    assert [(line.cause, (line.at - NOON) // DAY) for line in lead.lines.values()][1:] == [
        ("d", 8),
        ("d", 15),
        ("d", 22),
    ]


def test_under_draft_decays_the_floor_stays_as_it_was() -> None:
    hourly = {**WEEKLY, "inactive_for": 1, "unit": "hours", "decrease": 20}
    live = versions((0, UNFILTERED), (NOON + 2 * HOUR, snapshot(rule(), allow_negative_scores=True)))
    lead = told(live.drafted(snapshot(rule(), decays=[hourly]), NOON), [event()])
    lead.advance(NOON + 3 * HOUR)
    assert lead.totals == {"A": -40}


def test_a_draft_may_begin_before_the_first_version() -> None:
    first = versions((NOON + 100 * DAY, snapshot(rule(weight=100))))
    lead = told(first.drafted(snapshot(rule(weight=100), decays=[WEEKLY]), NOON), [event()])
    lead.advance(NOON + 7 * DAY)
    assert lead.totals == {"A": 95}


def test_an_empty_snapshot_scores_nothing_and_hides_nothing() -> None:
    lead = told(Plans.of([(1, 0, {})]), [event(), adjustment(1, 5), reset(2)])
    assert lead.totals == {}
    assert [mark.scope for mark in lead.verdicts.values()] == ["activate"]


def test_a_rule_scores_only_while_it_and_its_ruleset_are_active() -> None:
    given = snapshot(rule(), rule("b", active=False), rule("b", ruleset_id="B"), rule("c", ruleset_id="C"))
    given["rulesets"] = [{"ruleset_id": "A"}, {"ruleset_id": "B", "active": False}]
    lead = told(versions((0, given)), [event(), event(1, "b"), event(2, "c")])
    assert lead.totals == {"A": 10}


def test_a_hidden_type_fires_no_rule_but_is_activity() -> None:
    lead = told(plans(rule(), event_types={"page_view": {"hidden": True}}), [event()])
    assert lead.totals == {}
    assert lead.standing.activity == NOON
    assert [mark.scope for mark in lead.verdicts.values()] == ["observe"]


def test_a_system_event_scores_but_is_no_activity_and_no_surge() -> None:
    bands = [{"min_events": 1, "multiplier": 2.0}]
    surging = plans(rule("DECAY", 10), surge_policy={"mode": "custom", "bands": bands})
    lead = told(surging, [event(0, "DECAY", channel="system")])
    assert lead.totals == {"A": 10}
    assert lead.sessions == {}
    assert lead.standing.activity is None
    assert lead.standing.surge_count == 0


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


def test_the_effective_policy_has_no_gaps() -> None:
    assert effective_policy(None) == PRESETS["off"]
    assert effective_policy({"mode": "standard"}) == PRESETS["standard"]
    assert effective_policy({"mode": "gentle", "idle_reset_seconds": 60}) == {
        **PRESETS["gentle"],
        "idle_reset_seconds": 60,
    }
    bands: Any = [{"min_events": 1, "max_events": None, "multiplier": 1.5}]
    assert effective_policy({"mode": "custom", "bands": bands}) == {
        "mode": "custom",
        "bands": bands,
        "idle_reset_seconds": 1800,
        "multiplier_cap": 3.0,
    }


@pytest.mark.parametrize(("weight", "points"), [(10, 13), (2, 3), (6, 8), (1, 1)])
def test_surged_points_are_rounded_half_up(weight: int, points: int) -> None:
    bands = [{"min_events": 1, "multiplier": 1.25}]
    lead = told(plans(rule(weight=weight), surge_policy={"mode": "custom", "bands": bands}), [event()])
    assert lead.totals == {"A": points}
