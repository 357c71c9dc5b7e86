"""What a standing remembers of a lead, and when that is enough to continue from it."""

from dataclasses import replace

import msgspec

from engine.builders import HOUR, MINUTE, NOON, SECOND, adjustment, configuration, event, plans, reset, rule, versions
from engine.lead import lead_with
from leadvibe.engine import Plans, Standing, Version, order
from leadvibe.engine.filters import VelocityWindow
from support.folding import fold, with_version

VELOCITY = {"filter_id": "f", "event_type": "page_view", "count_threshold": 2, "time_window_ms": 60_000}


def watched() -> Plans:
    return plans(rule(), rule("b", max_per_lead=5), filters=[{**VELOCITY, "group_events": True}])


def test_a_standing_survives_its_packing() -> None:
    facts = [event(0), event(SECOND), event(2 * SECOND), event(MINUTE, "b", metadata={"k": 1}, key="once")]
    standing = fold(watched(), Standing(), facts).standing
    assert Standing.load(msgspec.msgpack.decode(msgspec.msgpack.encode(standing.dump()))) == standing
    assert standing.session is not None
    assert Standing.load(Standing().dump()) == Standing()


def test_a_standing_from_before_surges_were_recorded_needs_a_replay_if_a_surge_may_go_on() -> None:
    surging = fold(watched(), Standing(), [event(0)])
    old = Standing.load(surging.standing.dump()[:-2])
    assert old == replace(surging.standing, surge_start=None)
    assert not old.can_fold(watched(), [event(MINUTE)])
    assert not old.can_fold(watched())
    idle = fold(watched(), Standing(), [event(0), reset(MINUTE)]).standing
    assert Standing.load(idle.dump()[:-2]) == idle
    assert idle.can_fold(watched(), [event(2 * MINUTE)])


def test_a_standing_forgets_what_is_out_of_every_window() -> None:
    standing = fold(watched(), Standing(), [event(number * SECOND) for number in range(100)]).standing
    assert len(standing.windows["page_view"].times) == 2
    later = fold(watched(), standing, [event(HOUR, "b")]).standing
    assert later.windows == {}


def test_a_standing_takes_what_comes_after_it_and_nothing_else() -> None:
    watching = watched()
    first, second, third = sorted([event(0), event(0), event(0)], key=order)
    standing = fold(watching, Standing(), [second]).standing
    assert standing.can_fold(watching, [third])
    assert not standing.can_fold(watching, [first])
    assert not standing.can_fold(watching, [first, third])
    assert not standing.can_fold(watching, [second])
    assert standing.can_fold(watching)
    assert Standing().can_fold(watching, [first])


def test_within_an_instant_adjustments_follow_events_and_resets_follow_both() -> None:
    facts = [reset(0, number=1), adjustment(0, 5, number=2), adjustment(0, 5, number=1), event(0, number=9)]
    assert [type(fact).__name__ for fact in sorted(facts, key=order)] == ["Event", "Adjustment", "Adjustment", "Reset"]
    assert sorted(facts, key=order)[1].id.int == 1


def test_events_of_an_instant_are_ordered_by_what_they_say_before_who_they_are() -> None:
    by_type = [
        event(0, "Z", number=9),
        event(0, "a", number=8),
        event(0, "ä", number=7),
        event(0, "\U0001f600", number=6),
    ]
    assert sorted(by_type[2:] + by_type[:2], key=order) == by_type
    assert [each.type.encode() for each in by_type] == sorted(each.type.encode() for each in by_type)
    by_rest = [
        event(0, key="a", number=9),
        event(0, key="b", version=1, number=8),
        event(0, key="b", version=2, number=7),
    ]
    assert sorted(by_rest[2:] + by_rest[:2], key=order) == by_rest


def test_restamping_touches_events_alone_and_keeps_the_order() -> None:
    facts = [event(0, number=2, version=1), event(0, number=1, version=2), reset(1), adjustment(2, 5)]
    stamped = with_version(facts, 3)
    assert [fact.id.int for fact in stamped[:2]] == [1, 2]
    assert stamped[2:] == facts[2:]


def test_the_standing_tells_totals_and_activity() -> None:
    lead = lead_with(plans(rule(), rule(ruleset_id="B", weight=0)), [event(), adjustment(MINUTE, 0, ruleset_id="B")])
    assert dict(lead.standing.totals) == {"A": 10}
    assert lead.standing.activity == NOON
    assert {line.ruleset_id for line in lead.lines.values()} == {"A", "B"}


def test_a_standing_forgets_a_burst_and_its_events_at_the_end_of_their_window() -> None:
    folded = fold(watched(), Standing(), [event(0)]).standing
    last_microsecond = fold(watched(), folded, [event(MINUTE - 1, "b")]).standing
    assert last_microsecond.windows == folded.windows == {"page_view": VelocityWindow((NOON,), {MINUTE: NOON})}
    assert fold(watched(), folded, [event(MINUTE, "b")]).standing.windows == {}


def test_a_standing_remembers_as_many_events_as_the_largest_threshold() -> None:
    shorter = {**VELOCITY, "filter_id": "g", "count_threshold": 1, "time_window_ms": 1_000}
    both = plans(rule(), filters=[VELOCITY, shorter])
    standing = fold(both, Standing(), [event(0), event(SECOND), event(2 * SECOND)]).standing
    assert standing.windows == {"page_view": VelocityWindow((NOON + SECOND, NOON + 2 * SECOND), {})}


def test_a_new_version_that_does_not_apply_yet_needs_no_replay() -> None:
    configured = configuration(rule())
    two = versions((0, configured), (NOON + HOUR, configured))
    lead = lead_with(two, [event(2 * HOUR, version=2)])
    lead.plans = two.extended([Version(3, NOON + 3 * HOUR, configuration(rule(weight=1)))])
    lead.receive(event(4 * HOUR, version=3))
    assert lead.replays == 0
    assert lead.totals == {"A": 11}


def test_a_version_that_applied_at_the_last_fact_already_needs_a_replay() -> None:
    one = versions((0, configuration(rule())))
    lead = lead_with(one, [event(HOUR)])
    lead.plans = one.extended([Version(2, NOON + HOUR, configuration(rule()))])
    lead.receive(event(2 * HOUR, version=2))
    assert lead.replays == 1
