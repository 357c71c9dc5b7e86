"""The worked examples of scoring, with their numbers."""

# The vectors are JSON.
# pyright: reportArgumentType=false

from datetime import UTC, datetime

import pytest

from engine.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    adjustment,
    configuration,
    event,
    plans,
    reset,
    rule,
    to_datetime,
    versions,
)
from engine.lead import Lead, lead_with
from leadvibe.engine import Event, Plans
from leadvibe.engine.instants import to_instant
from support.merging import merge_histories

STANDARD = {"surge_policy": {"mode": "standard"}}
WEEKLY = {"decays": [{"decay_id": "weekly", "inactive_for": 7, "unit": "days", "decrease": 5}]}


def applied(lead: Lead, kind: str = "event") -> list[int]:
    return [line.applied for line in sorted(lead.lines.values(), key=lambda line: line.at) if line.kind == kind]


def decayed(lead: Lead) -> list[tuple[float, int]]:
    """Day after noon and applied amount of every decay step."""
    lines = sorted((line for line in lead.lines.values() if line.kind == "decay"), key=lambda line: line.at)
    return [((line.at - NOON) / DAY, line.applied) for line in lines]


def reasons(lead: Lead) -> list[str]:
    return [verdict.suppression_reason for verdict in lead.verdicts.values() if verdict.suppression_reason]


@pytest.mark.parametrize(
    ("at", "points"),
    [("2026-01-01T00:00:00Z", 10), ("2026-01-31T23:59:59Z", 10), ("2026-02-01T00:00:00Z", 0)],
)
def test_1_a_window_includes_its_start_and_excludes_its_end(at: str, points: int) -> None:
    january = rule(start_at="2026-01-01T00:00:00Z", end_at="2026-02-01T00:00:00Z")
    lead = lead_with(plans(january), [event(to_instant(datetime.fromisoformat(at)) - NOON)])
    assert lead.totals.get("A", 0) == points


@pytest.mark.parametrize(
    ("edge", "scored"), [("start_at", [HOUR, 2 * HOUR]), ("end_at", [0]), ("max_per_lead", [0, HOUR])]
)
def test_1_a_single_restriction_of_a_rule_holds(edge: str, scored: list[int]) -> None:
    value = 2 if edge == "max_per_lead" else to_datetime(NOON + HOUR).isoformat()
    lead = lead_with(plans(rule(**{edge: value})), [event(number * HOUR) for number in range(3)])
    assert [line.at - NOON for line in lead.lines.values()] == scored


def test_2_two_rulesets_score_one_event_each_in_its_own_way() -> None:
    lead = lead_with(plans(rule(weight=5), rule(weight=10, ruleset_id="B")), [event()])
    assert lead.totals == {"A": 5, "B": 10}


FLOOR = (rule("good", 10), rule("bad", -50), rule("better", 20))


def test_3_the_floor_takes_points_for_good() -> None:
    lead = lead_with(plans(*FLOOR), [event(0, "good"), event(1, "bad"), event(2, "better")])
    assert applied(lead) == [10, -10, 20]
    assert lead.totals == {"A": 20}


def test_3_without_the_floor_a_total_goes_below_zero_and_comes_back() -> None:
    lead = lead_with(plans(*FLOOR, allow_negative_scores=True), [event(0, "good"), event(1, "bad")])
    assert lead.totals == {"A": -40}
    lead.receive(event(2, "better"))
    assert lead.totals == {"A": -20}
    assert sum(applied(lead)) == -20


def test_4_standard_surge_grows_with_the_count() -> None:
    lead = lead_with(plans(rule(), **STANDARD), [event(n * MINUTE) for n in range(10)])
    assert applied(lead) == [10, 10, 10, 10, 13, 13, 13, 13, 13, 15]
    surged = [line for line in lead.lines.values() if line.multiplier > 1000]
    assert len(surged) == 6
    assert sum(line.points - 10 for line in surged) == 20


@pytest.mark.parametrize(("gap", "points"), [(1800, 13), (1801, 10)])
def test_4_an_equal_gap_stays_in_the_surge_and_a_longer_one_ends_it(gap: int, points: int) -> None:
    burst = [event(n * SECOND) for n in range(4)]
    lead = lead_with(plans(rule(), **STANDARD), [*burst, event(3 * SECOND + gap * SECOND)])
    assert applied(lead)[-1] == points


def test_5_a_negative_rule_is_neither_counted_nor_multiplied() -> None:
    kinds = ["page_view", "page_view", "page_view", "unsubscribe", "page_view", "page_view"]
    surging = plans(rule(), rule("unsubscribe", -10), **STANDARD)
    lead = lead_with(surging, [event(n * MINUTE, kind) for n, kind in enumerate(kinds)])
    assert applied(lead) == [10, 10, 10, -10, 10, 13]
    assert lead.standing.surge_count == 5


def test_6_the_cap_bounds_the_multiplier() -> None:
    bands = [{"min_events": 1, "max_events": None, "multiplier": 3.0}]
    capped = plans(rule(), surge_policy={"mode": "custom", "bands": bands, "multiplier_cap": 2.0})
    assert applied(lead_with(capped, [event()])) == [20]


def test_7_a_pause_longer_than_the_timeout_splits_sessions_and_a_late_event_joins_them() -> None:
    lead = lead_with(plans(), [event(0), event(30 * MINUTE), event(60 * MINUTE + SECOND)])
    assert [(each.start - NOON, each.end - NOON) for each in lead.sessions.values()] == [
        (0, 30 * MINUTE),
        (60 * MINUTE + SECOND, 60 * MINUTE + SECOND),
    ]
    lead.receive(event(45 * MINUTE))
    (session,) = lead.sessions.values()
    assert (session.start - NOON, session.end - NOON, session.count) == (0, 60 * MINUTE + SECOND, 4)


def test_7_an_event_joins_the_last_of_several_sessions() -> None:
    lead = lead_with(plans(), [event(0), event(HOUR)])
    lead.receive(event(HOUR + MINUTE))
    assert [session.count for session in lead.sessions.values()] == [1, 2]


def test_8_decay_takes_points_for_every_further_period_of_silence_down_to_the_floor() -> None:
    lead = lead_with(plans(rule(weight=12), **WEEKLY), [event()])
    lead.advance(NOON + 28 * DAY)
    assert decayed(lead) == [(7, -5), (14, -5), (21, -2)]
    assert lead.next_decay_at is None


def test_8_activity_restarts_the_count() -> None:
    lead = lead_with(plans(rule(weight=12), rule("visit", 3), **WEEKLY), [event(), event(15 * DAY, "visit")])
    assert lead.totals == {"A": 5}
    assert lead.next_decay_at == NOON + 22 * DAY
    lead.advance(NOON + 22 * DAY)
    assert decayed(lead)[-1] == (22, -5)
    assert lead.totals == {}


def test_8_a_decay_is_due_a_microsecond_after_an_adjustment() -> None:
    lead = lead_with(plans(rule(weight=12), **WEEKLY), [event(), adjustment(7 * DAY - 1, 1)])
    lead.advance(NOON + 7 * DAY)
    assert decayed(lead) == [(7, -5)]
    assert lead.next_decay_at == NOON + 14 * DAY


def test_9_a_decay_rule_made_in_silence_is_due_at_its_creation() -> None:
    late = versions((0, configuration(rule(weight=12))), (NOON + 90 * DAY, configuration(rule(weight=12), **WEEKLY)))
    lead = lead_with(late, [event()])
    lead.advance(NOON + 97 * DAY)
    assert decayed(lead) == [(90, -5), (97, -5)]


def test_10_after_a_reset_decay_waits_for_new_points() -> None:
    lead = lead_with(plans(rule(), **WEEKLY, allow_negative_scores=True), [event(), reset(HOUR)])
    lead.advance(NOON + 100 * DAY)
    assert lead.totals == {}
    lead.receive(event(101 * DAY))
    lead.advance(NOON + 115 * DAY)
    assert decayed(lead) == [(108, -5), (115, -5)]


def velocity(*, group: bool) -> Plans:
    velocity_filter = {"filter_id": "f", "event_type": "page_view", "count_threshold": 3, "time_window_ms": 60_000}
    return plans(rule(), filters=[{**velocity_filter, "group_events": group}])


@pytest.mark.parametrize(("group", "reason"), [(False, "inorganic"), (True, "inorganic_grouped")])
def test_11_of_a_burst_only_the_first_few_count(group: bool, reason: str) -> None:
    lead = lead_with(velocity(group=group), [event(n * SECOND) for n in range(10)])
    assert lead.totals == {"A": 30}
    assert reasons(lead) == [reason] * 7


@pytest.mark.parametrize(("group", "scored"), [(False, [0, 10, 20]), (True, [0, 10, 20, 60, 120, 180, 240])])
def test_11_of_a_lasting_burst_grouping_keeps_the_first_of_each(group: bool, scored: list[int]) -> None:
    lead = lead_with(velocity(group=group), [event(n * 10 * SECOND) for n in range(30)])
    assert [(line.at - NOON) // SECOND for line in lead.lines.values()] == scored


def test_12_a_reset_takes_in_what_happened_before_it_whenever_that_arrives() -> None:
    scoring = plans(rule(weight=85), rule(weight=40, ruleset_id="B"), rule("visit", 10))
    lead = lead_with(scoring, [event(-HOUR), reset(0)])
    assert {line.ruleset_id: -line.applied for line in lead.lines.values() if line.kind == "reset"} == {
        "A": 85,
        "B": 40,
    }
    assert lead.totals == {}
    lead.receive(event(-MINUTE, "visit"))
    assert lead.totals == {}
    assert sorted(applied(lead, "reset")) == [-95, -40]
    lead.receive(event(MINUTE, "visit"))
    assert lead.totals == {"A": 10}
    lead.rescore(1)
    assert lead.totals == {"A": 10}
    lead.receive(reset(HOUR), reset(2 * HOUR))
    assert lead.totals == {}
    assert [to_datetime(r.at).hour for r in lead.lines.values() if r.kind == "reset" and r.at > NOON] == [13]


def merge_sources() -> tuple[list[Event], list[Event]]:
    return [event(n * MINUTE) for n in range(3)], [event(n * HOUR) for n in range(2)]


def test_13_a_merge_scores_both_histories_as_one() -> None:
    target, source = merge_sources()
    assert lead_with(plans(rule()), merge_histories([target, source])).totals == {"A": 50}


def test_13_a_source_that_was_reset_brings_nothing_of_before() -> None:
    target, source = merge_sources()
    merged = lead_with(plans(rule()), merge_histories([target, [*source, reset(2 * HOUR)]]))
    assert merged.totals == {"A": 30}
    assert len(merged.verdicts) == 5


def test_16_an_observed_type_is_activity_but_never_scores() -> None:
    seen = plans(rule("visit", 45), rule("chat", 10), event_types={"chat": {"max_processing_scope": "observe"}})
    lead = lead_with(seen, [event(0, "visit"), event(MINUTE, "chat")])
    assert lead.totals == {"A": 45}
    assert [session.count for session in lead.sessions.values()] == [2]
    assert [verdict.scope for verdict in lead.verdicts.values()] == ["activate", "observe"]


def test_16_a_decided_type_scores_and_says_that_it_triggers_nothing() -> None:
    seen = plans(rule("visit", 45), rule("chat", 10), event_types={"chat": {"max_processing_scope": "decide"}})
    lead = lead_with(seen, [event(0, "visit"), event(MINUTE, "chat")])
    assert lead.totals == {"A": 55}
    assert [verdict.scope for verdict in lead.verdicts.values()] == ["activate", "decide"]


def test_an_adjustment_stays_where_it_stands() -> None:
    lead = lead_with(plans(rule()), [event(), adjustment(MINUTE, -30), event(HOUR)])
    assert applied(lead, "adjustment") == [-10]
    assert lead.totals == {"A": 10}


def test_instants_are_whole_microseconds() -> None:
    noon = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert to_datetime(to_instant(noon)) == noon
