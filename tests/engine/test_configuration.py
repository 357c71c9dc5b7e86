"""The effects of changes of the configuration."""

# Snapshots of these tests have every part.
# pyright: reportTypedDictNotRequiredAccess=false

from collections.abc import Iterator
from typing import Any

import pytest

from engine.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    WEEK,
    adjustment,
    configuration,
    event,
    plans,
    reset,
    rule,
    versions,
)
from engine.lead import Lead, lead_with
from leadvibe.engine import Configuration, Plans, Version
from leadvibe.engine.configuration import RulesetConfig

UNFILTERED = configuration(rule())
WEEKLY: Any = {"decay_id": "d", "inactive_for": 7, "unit": "days", "decrease": 5}


def filtered(**more: Any) -> Configuration:
    velocity = {"filter_id": "f", "event_type": "page_view", "count_threshold": 2, "time_window_ms": 60_000}
    return configuration(rule(), filters=[{**velocity, **more}])


def configure(lead: Lead, configuration: Configuration, at: int) -> None:
    lead.plans = lead.plans.extended([Version(lead.plans.newest + 1, NOON + at, configuration)])


def test_no_edit_is_retroactive() -> None:
    lead = lead_with(versions((0, configuration(rule(weight=10)))), [event()])
    configure(lead, configuration(rule(weight=50)), at=MINUTE)
    lead.receive(event(HOUR, version=2))
    lead.receive(event(MINUTE, version=1))
    assert lead.totals == {"A": 70}


def test_a_rescore_judges_everything_by_one_version() -> None:
    both = versions((0, configuration(rule(weight=10))), (NOON, configuration(rule(weight=50))))
    lead = lead_with(both, [event(-1), event(1, version=2)])
    lead.rescore(2)
    assert lead.totals == {"A": 100}


def test_a_velocity_filter_counts_what_happened_before_it_was_made() -> None:
    lead = Lead(versions((0, UNFILTERED)))
    lead.receive(event(0), event(SECOND))
    configure(lead, filtered(), at=2 * SECOND)
    lead.receive(event(3 * SECOND, version=2))
    assert lead.totals == {"A": 20}


NEVER = {"filter_id": "f", "event_type": "page_view", "count_threshold": 1_000, "time_window_ms": 1}


@pytest.mark.parametrize("filters", [[], [NEVER]])
def test_a_limit_counts_uses_from_before_it_was_set(filters: list[Any]) -> None:
    lead = Lead(versions((0, configuration(rule(), filters=filters))))
    lead.receive(event(0), event(1))
    configure(lead, configuration(rule(max_per_lead=3), filters=filters), at=2)
    lead.receive(event(3, version=2))
    lead.receive(event(4, version=2))
    assert lead.totals == {"A": 30}


def test_a_limit_that_moves_to_another_event_type_keeps_its_count() -> None:
    lead = Lead(versions((0, configuration(rule(rule_id="r")))))
    lead.receive(event(0))
    configure(lead, configuration(rule("b", rule_id="r", max_per_lead=2)), at=1)
    configure(lead, configuration(rule("c", rule_id="r", max_per_lead=2)), at=2)
    lead.receive(event(3, "c", version=3), event(4, "c", version=3))
    assert lead.totals == {"A": 20}


def test_a_limit_counts_from_the_last_reset() -> None:
    lead = lead_with(plans(rule(max_per_lead=1)), [event(0), event(1), reset(2), event(3), event(4)])
    assert lead.totals == {"A": 10}


def test_a_filter_and_a_limit_use_nothing_up_for_what_does_not_count() -> None:
    limited = rule(max_per_lead=1, attribute_filters=[{"field": "tier", "operator": "equals", "value": "gold"}])
    lead = lead_with(
        plans(limited), [event(0), event(1, metadata={"tier": "gold"}), event(2, metadata={"tier": "gold"})]
    )
    assert lead.totals == {"A": 10}


def test_of_two_filters_the_shorter_window_names_the_reason() -> None:
    short = {"filter_id": "2", "event_type": "page_view", "count_threshold": 1, "time_window_ms": 1_000}
    long = {"filter_id": "1", "event_type": "page_view", "count_threshold": 1, "time_window_ms": 9_000}
    first = {**short, "filter_id": "0", "group_events": True}
    lead = lead_with(plans(rule(), filters=[long, {**short, "group_events": True}]), [event(0), event(1)])
    assert [verdict.suppression_reason for verdict in lead.verdicts.values()] == [None, "inorganic_grouped"]
    lead = lead_with(plans(rule(), filters=[long, short, first]), [event(0), event(1)])
    assert [verdict.suppression_reason for verdict in lead.verdicts.values()] == [None, "inorganic_grouped"]


def test_switching_negatives_off_lifts_every_negative_total() -> None:
    allowed, floored = (
        configuration(rule(weight=-5), rule("good", 3), rule(ruleset_id="B"), allow_negative_scores=negatives)
        for negatives in (True, False)
    )
    switched = versions((0, allowed), (NOON + HOUR, floored))
    lead = lead_with(switched, [event(0)])
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


@pytest.mark.parametrize(("total", "lifted"), [(-1, [1]), (0, []), (1, [])])
def test_only_totals_below_zero_are_lifted(total: int, lifted: list[int]) -> None:
    switched = versions((0, configuration(allow_negative_scores=True)), (NOON + HOUR, configuration()))
    lead = lead_with(switched, [adjustment(0, 5), adjustment(1, total - 5)])
    assert lead.next_decay_at == (NOON + HOUR if lifted else None)
    lead.advance(NOON + HOUR)
    assert [line.applied for line in lead.lines.values() if line.kind == "lift"] == lifted


@pytest.mark.parametrize("batches", [1, 2])
def test_a_lift_comes_after_the_facts_of_its_instant_and_before_all_later_ones(batches: int) -> None:
    rules = rule(), rule(ruleset_id="B", event_type="other")
    switched = versions((0, configuration(*rules, allow_negative_scores=True)), (NOON + HOUR, configuration(*rules)))
    lead = lead_with(switched, [event(0, "activity"), adjustment(0, -10)])
    facts = [adjustment(HOUR, 5, ruleset_id="B"), event(HOUR + 1, version=2)]
    for batch in [facts] if batches == 1 else [[fact] for fact in facts]:
        lead.receive(*batch)
    assert [(line.kind, line.applied) for line in lead.lines.values()] == [
        ("adjustment", -10),
        ("adjustment", 5),
        ("lift", 10),
        ("event", 10),
    ]
    assert lead.replays == 0


def test_decay_leaves_totals_of_zero() -> None:
    rules = rule(), rule(ruleset_id="B", event_type="other")
    zero = [adjustment(0, 5, ruleset_id="B"), adjustment(1, -5, ruleset_id="B")]
    lead = lead_with(plans(*rules, decays=[WEEKLY]), [event(), *zero])
    lead.advance(NOON + WEEK)
    assert [line.ruleset_id for line in lead.lines.values() if line.kind == "decay"] == ["A"]


@pytest.mark.parametrize("batches", [1, 2])
def test_a_decay_comes_before_an_event_at_its_instant(batches: int) -> None:
    facts = [event(), event(WEEK)]
    lead = Lead(plans(rule(), decays=[WEEKLY]))
    for batch in [facts] if batches == 1 else [[fact] for fact in facts]:
        lead.receive(*batch)
    assert [line.applied for line in lead.lines.values()] == [10, -5, 10]


def test_a_lift_leaves_totals_of_zero() -> None:
    switched = versions((0, configuration(allow_negative_scores=True)), (NOON + HOUR, configuration()))
    zero = [adjustment(0, 5, ruleset_id="B"), adjustment(1, -5, ruleset_id="B")]
    lead = lead_with(switched, [adjustment(0, -10), *zero])
    lead.advance(NOON + HOUR)
    assert [line.ruleset_id for line in lead.lines.values() if line.kind == "lift"] == ["A"]


def test_a_decay_at_the_instant_of_the_lift_comes_before_it() -> None:
    rules = rule(), rule(ruleset_id="B")
    negative = configuration(*rules, allow_negative_scores=True, decays=[WEEKLY])
    switched = versions((0, negative), (NOON + WEEK, configuration(*rules, decays=[WEEKLY])))
    lead = lead_with(switched, [event(0, "visit"), adjustment(0, -10), adjustment(0, 20, ruleset_id="B")])
    lead.advance(NOON + WEEK)
    assert [(line.kind, line.ruleset_id, line.applied) for line in lead.lines.values()][2:] == [
        ("decay", "B", -5),
        ("lift", "A", 10),
    ]


@pytest.mark.parametrize(("total", "taken"), [(1, [-1]), (0, [])])
def test_only_totals_above_zero_decay(total: int, taken: list[int]) -> None:
    lead = lead_with(plans(rule(weight=0), decays=[WEEKLY]), [event(), adjustment(0, 5), adjustment(1, total - 5)])
    assert lead.next_decay_at == (NOON + WEEK if taken else None)
    lead.advance(NOON + WEEK)
    assert [line.applied for line in lead.lines.values() if line.kind == "decay"] == taken


def test_at_the_instant_of_the_lifting_the_floor_holds_already() -> None:
    allowed = configuration(rule(weight=-5), allow_negative_scores=True)
    lead = lead_with(
        versions((0, allowed), (NOON + HOUR, configuration(rule(weight=-5)))), [event(0), adjustment(HOUR, 3)]
    )
    lead.advance(NOON + 2 * HOUR)
    assert [(line.kind, line.applied) for line in lead.lines.values()] == [("event", -5), ("adjustment", 5)]


def test_a_process_that_knows_fewer_versions_leaves_no_hole_in_the_memory() -> None:
    behind = versions((0, UNFILTERED))
    ahead = behind.extended([Version(2, NOON + 1, filtered())])
    lead = Lead(ahead)
    lead.receive(event(0), event(2, "other", version=2))
    lead.plans = behind
    lead.receive(event(3))
    lead.plans = ahead
    lead.receive(event(4, version=2))
    assert lead.totals == {"A": 20}


def test_a_decay_rule_keeps_its_instants_when_only_its_decrease_changes() -> None:
    weekly, harder = ({"decay_id": "d", "inactive_for": 7, "unit": "days", "decrease": by} for by in (5, 8))
    both = versions(
        (0, configuration(rule(weight=100), decays=[weekly])), (NOON + 10 * DAY, configuration(decays=[harder]))
    )
    lead = lead_with(both, [event()])
    lead.advance(NOON + 14 * DAY)
    assert [((line.at - NOON) // DAY, line.applied) for line in lead.lines.values()] == [(0, 100), (7, -5), (14, -8)]


def test_a_decay_rule_begins_again_when_its_period_changes_and_ends_when_it_is_deleted() -> None:
    hourly = {**WEEKLY, "inactive_for": 48, "unit": "hours"}
    edited = versions(
        (0, configuration(rule(weight=100), decays=[WEEKLY])),
        (NOON + 10 * DAY, configuration(decays=[hourly])),
        (NOON + 15 * DAY, configuration()),
    )
    lead = lead_with(edited, [event()])
    lead.advance(NOON + 30 * DAY)
    assert [(line.at - NOON) // DAY for line in lead.lines.values()] == [0, 7, 12, 14]
    assert lead.next_decay_at is None


@pytest.mark.parametrize(
    ("off", "on", "days"),
    [
        (10, 12, [7, 14, 21]),  # no instant within the pause
        (10, 14, [7, 14, 21]),  # the pause ends at an instant
        (14, 15, [7, 21]),  # it begins at one
        (10, 25, [7, 28]),  # two instants within the pause
        (1, 40, [42]),
    ],
)
@pytest.mark.parametrize("tick", [1, 50])
def test_a_decay_rule_that_is_switched_off_and_on_keeps_its_instants(
    off: int, on: int, days: list[int], tick: int
) -> None:
    decaying = configuration(decays=[WEEKLY])
    switched = versions(
        (0, configuration(rule(weight=100), decays=[WEEKLY])),
        (NOON + off * DAY, configuration()),
        (NOON + off * DAY + 1, configuration(allow_negative_scores=True)),
        (NOON + on * DAY, decaying),
    )
    lead = lead_with(switched, [event()])
    for day in range(0, max(days) + 1, tick):
        lead.advance(NOON + day * DAY)
    lead.advance(NOON + max(days) * DAY)
    assert [(line.at - NOON) // DAY for line in lead.lines.values()][1:] == days


def test_a_decay_rule_that_is_switched_on_with_another_period_begins_again() -> None:
    switched = versions(
        (0, configuration(rule(weight=100), decays=[WEEKLY])),
        (NOON + 10 * DAY, configuration()),
        (NOON + 15 * DAY, configuration(decays=[{**WEEKLY, "inactive_for": 4}])),
        (NOON + 20 * DAY, configuration()),
        (NOON + 21 * DAY, configuration(decays=[{**WEEKLY, "inactive_for": 4, "decrease": 8}])),
    )
    lead = lead_with(switched, [event()])
    lead.advance(NOON + 24 * DAY)
    assert [((line.at - NOON) // DAY, line.applied) for line in lead.lines.values()][1:] == [
        (7, -5),
        (19, -5),
        (23, -8),
    ]


def test_a_draft_decay_that_is_switched_off_at_the_time_keeps_its_instants() -> None:
    live = versions((0, configuration(rule(weight=100), decays=[WEEKLY])), (NOON + 5 * DAY, configuration()))
    lead = lead_with(live.drafted(configuration(decays=[WEEKLY]), NOON + 8 * DAY, drafts_decays=True), [event()])
    lead.advance(NOON + 20 * DAY)
    assert [(line.at - NOON) // DAY for line in lead.lines.values()][1:] == [14]


def test_the_same_period_in_another_unit_is_no_edit() -> None:
    same = {**WEEKLY, "inactive_for": 1, "unit": "weeks"}
    lead = lead_with(
        versions((0, configuration(rule(), decays=[WEEKLY])), (NOON + DAY, configuration(decays=[same]))), [event()]
    )
    assert lead.next_decay_at == NOON + WEEK


@pytest.mark.parametrize(("unit", "length"), [("hours", HOUR), ("days", DAY), ("weeks", WEEK)])
def test_a_decay_period_is_a_number_of_units(unit: str, length: int) -> None:
    lead = lead_with(plans(rule(), decays=[{**WEEKLY, "inactive_for": 2, "unit": unit}]), [event()])
    assert lead.next_decay_at == NOON + 2 * length


@pytest.mark.parametrize(("gap", "total"), [(MINUTE - 1, 20), (MINUTE, 30)])
def test_a_velocity_window_excludes_the_event_at_its_beginning(gap: int, total: int) -> None:
    lead = lead_with(versions((0, filtered())), [event(0), event(1), event(gap)])
    assert lead.totals == {"A": total}


def test_decay_spares_a_ruleset_outside_its_window() -> None:
    rulesets = [RulesetConfig(ruleset_id="A"), RulesetConfig(ruleset_id="B", end_at="2026-01-05T00:00:00Z")]
    lead = lead_with(plans(rule(), rule(ruleset_id="B"), rulesets=rulesets, decays=[WEEKLY]), [event()])
    lead.advance(NOON + 8 * DAY)
    assert lead.totals == {"A": 5, "B": 10}


def test_a_version_that_was_overlooked_is_made_good() -> None:
    lead = lead_with(versions((0, configuration(rule(weight=-5), allow_negative_scores=True))), [event(HOUR)])
    assert lead.totals == {"A": -5}
    configure(lead, configuration(rule(weight=-5)), at=0)
    lead.advance(NOON + HOUR)
    assert lead.totals == {}
    assert lead.replays == 1


def test_versions_of_one_instant_act_as_the_last_of_them() -> None:
    allowed, floored = configuration(rule(weight=-5), allow_negative_scores=True), configuration(rule(weight=-5))
    lead = lead_with(versions((0, allowed), (NOON, floored), (NOON, allowed)), [event(), event(1)])
    assert lead.totals == {"A": -10}


def test_a_clock_that_stepped_back_keeps_the_versions_in_their_order() -> None:
    allowed, floored = configuration(rule(weight=-5), allow_negative_scores=True), configuration(rule(weight=-5))
    lead = lead_with(versions((0, allowed), (NOON + HOUR, floored), (NOON, allowed)), [event(HOUR)])
    assert lead.totals == {"A": -5}


def test_a_draft_decay_exists_from_the_beginning_of_its_window() -> None:
    draft = plans(rule(weight=100)).drafted(
        configuration(rule(weight=100), decays=[WEEKLY]), NOON + 20 * DAY, drafts_decays=True
    )
    lead = lead_with(draft, [event()])
    lead.advance(NOON + 30 * DAY)
    assert [(line.at - NOON) // DAY for line in lead.lines.values()] == [0, 20, 27]


def test_draft_decays_stay_in_force_whatever_was_changed_within_the_window() -> None:
    live = versions(
        (0, configuration(rule(weight=100))), (NOON + 10 * DAY, configuration(decays=[{**WEEKLY, "decay_id": "e"}]))
    )
    lead = lead_with(live.drafted(configuration(decays=[WEEKLY]), NOON + 8 * DAY, drafts_decays=True), [event()])
    lead.advance(NOON + 22 * DAY)
    assert [(line.cause, (line.at - NOON) // DAY) for line in lead.lines.values()][1:] == [
        ("d", 8),
        ("d", 15),
        ("d", 22),
    ]


def test_under_draft_decays_the_floor_stays_as_it_was() -> None:
    live = versions((0, UNFILTERED), (NOON + 2 * HOUR, configuration(rule(), allow_negative_scores=True)))
    lead = lead_with(live.drafted(configuration(rule(), decays=[HOURLY]), NOON, drafts_decays=True), [event()])
    lead.advance(NOON + 3 * HOUR)
    assert lead.totals == {"A": -40}


HOURLY = {**WEEKLY, "inactive_for": 1, "unit": "hours", "decrease": 20}


@pytest.mark.parametrize("since", [HOUR, 2 * HOUR])
def test_under_draft_decays_the_settings_of_the_version_in_force_stay(since: int) -> None:
    negative = configuration(rule(), allow_negative_scores=True)
    live = versions((0, UNFILTERED), (NOON + HOUR, negative))
    draft = live.drafted(configuration(rule(), decays=[HOURLY]), NOON + since, drafts_decays=True)
    lead = lead_with(draft, [event()])
    lead.advance(NOON + since)
    assert lead.totals == {"A": -10}


def test_a_draft_decay_with_the_id_of_a_live_one_keeps_its_instants() -> None:
    live = versions((0, configuration(rule(weight=100))), (NOON, configuration(decays=[WEEKLY])))
    harder = configuration(decays=[{**WEEKLY, "decrease": 8}])
    lead = lead_with(live.drafted(harder, NOON + 3 * DAY, drafts_decays=True), [event(-20 * DAY)])
    lead.advance(NOON + 8 * DAY)
    assert [((line.at - NOON) // DAY, line.applied) for line in lead.lines.values()][1:] == [(0, -5), (7, -8)]


@pytest.mark.parametrize(("at", "points"), [(-1, 10), (0, 50)])
def test_a_draft_judges_the_events_from_its_first_instant_on(at: int, points: int) -> None:
    draft = plans(rule(weight=10)).drafted(configuration(rule(weight=50)), NOON, drafts_decays=False)
    assert lead_with(draft, [event(at)]).totals == {"A": points}


def test_a_draft_may_begin_before_the_first_version() -> None:
    first = versions((NOON + 100 * DAY, configuration(rule(weight=100))))
    lead = lead_with(
        first.drafted(configuration(rule(weight=100), decays=[WEEKLY]), NOON, drafts_decays=True), [event()]
    )
    lead.advance(NOON + 7 * DAY)
    assert lead.totals == {"A": 95}


def test_an_empty_configuration_scores_nothing_and_hides_nothing() -> None:
    lead = lead_with(Plans.of([Version(1, 0, Configuration())]), [event(), adjustment(1, 5), reset(2)])
    assert lead.totals == {}
    assert [verdict.scope for verdict in lead.verdicts.values()] == ["activate"]


def test_a_rule_scores_only_while_it_and_its_ruleset_are_active() -> None:
    rules = rule(), rule("b", active=False), rule("b", ruleset_id="B"), rule("c", ruleset_id="C")
    rulesets = [RulesetConfig(ruleset_id="A"), RulesetConfig(ruleset_id="B", active=False)]
    lead = lead_with(plans(*rules, rulesets=rulesets), [event(), event(1, "b"), event(2, "c")])
    assert lead.totals == {"A": 10}


def test_a_hidden_type_fires_no_rule_but_is_activity() -> None:
    lead = lead_with(plans(rule(), event_types={"page_view": {"hidden": True}}), [event()])
    assert lead.totals == {}
    assert lead.standing.activity == NOON
    assert [verdict.scope for verdict in lead.verdicts.values()] == ["observe"]


def test_a_system_event_scores_but_is_no_activity_and_no_surge() -> None:
    bands = [{"min_events": 1, "multiplier": 2.0}]
    surging = plans(rule("DECAY", 10), surge_policy={"mode": "custom", "bands": bands})
    lead = lead_with(surging, [event(0, "DECAY", channel="system")])
    assert lead.totals == {"A": 10}
    assert lead.sessions == {}
    assert lead.standing.activity is None
    assert lead.standing.surge_count == 0


def test_configurations_can_be_kept_outside_of_the_plans() -> None:
    kept: dict[int, Configuration] = {}

    def added(*numbers: int) -> Iterator[Version]:
        for number in numbers:
            kept[number] = configuration(rule(weight=number))
            yield Version(number, number, kept[number])

    plans = Plans.of(added(1), kept)
    later = plans.extended(added(2, 3), kept)
    assert (plans.newest, later.newest) == (1, 3)
    assert later.configurations is kept
    assert [later.compiled(number) for number in kept] == [
        versions(*((0, kept[each]) for each in (1, 2, 3))).compiled(number) for number in kept
    ]
