"""Mistakes that scoring systems often make."""

from engine.builders import DAY, HOUR, MINUTE, NOON, adjustment, configuration, event, plans, reset, rule, versions
from engine.lead import Lead, lead_with
from leadvibe.engine import Entry, Standing
from support.folding import fold

WEEKLY = {"decays": [{"decay_id": "weekly", "inactive_for": 7, "unit": "days", "decrease": 5}]}


def test_a_reset_followed_by_a_rescore_stays_reset() -> None:
    lead = lead_with(plans(rule()), [event(), event(MINUTE), reset(HOUR)])
    lines = set(lead.lines)
    lead.rescore(1)
    assert lead.totals == {}
    assert set(lead.lines) == lines


def test_the_next_event_does_not_undo_decay() -> None:
    lead = lead_with(plans(rule(weight=20), **WEEKLY), [event()])
    lead.advance(NOON + 8 * DAY)
    assert lead.totals == {"A": 15}
    lead.receive(event(9 * DAY))
    assert lead.totals == {"A": 35}


def test_decay_that_nobody_applied_in_time_is_applied_by_the_next_event() -> None:
    lead = lead_with(plans(rule(weight=20), **WEEKLY), [event()])
    lead.receive(event(9 * DAY))
    assert lead.totals == {"A": 35}


def test_a_reset_never_drives_a_score_below_zero() -> None:
    lead = lead_with(plans(rule(), rule("bad", -50)), [event(), event(MINUTE, "bad"), reset(HOUR), event(2 * HOUR)])
    assert lead.totals == {"A": 10}
    lead.delete(next(fact.id for fact in lead.facts.values() if fact.at == NOON))
    assert lead.totals == {"A": 10}


def test_a_late_event_below_the_floor_gives_the_total_it_would_have_given_on_time() -> None:
    bad, good, late = event(MINUTE, "bad"), event(2 * MINUTE), event(0)
    scoring = plans(rule(), rule("bad", -50))
    on_time, lead = lead_with(scoring, [late, bad, good]), lead_with(scoring, [bad, good])
    lead.receive(late)
    assert lead.state == on_time.state
    assert lead.totals == {"A": 10}


def test_two_events_in_one_instant_have_one_order() -> None:
    good, bad = event(0, "good"), event(0, "bad")
    scoring = plans(rule("good", 10), rule("bad", -50))
    assert lead_with(scoring, [good, bad]).ledger == lead_with(scoring, [bad, good]).ledger
    lead = lead_with(scoring, [good])
    lead.receive(bad)
    assert lead.totals == {"A": 10}


def test_a_decay_that_a_late_event_makes_undue_is_taken_back() -> None:
    lead = lead_with(plans(rule(weight=20), **WEEKLY), [event()])
    lead.advance(NOON + 7 * DAY)
    assert lead.totals == {"A": 15}
    lead.receive(event(3 * DAY, "seen"))
    assert lead.totals == {"A": 20}
    assert lead.next_decay_at == NOON + 10 * DAY


def test_a_decay_that_a_late_event_makes_due_is_applied() -> None:
    lead = lead_with(plans(rule("late", 20), **WEEKLY), [event(10 * DAY, "seen")])
    assert lead.totals == {}
    lead.receive(event(0, "late"))
    assert lead.totals == {"A": 15}


def test_events_queued_before_a_reset_do_not_survive_it() -> None:
    lead = lead_with(plans(rule()), [event(), reset(HOUR)])
    lead.receive(event(MINUTE))
    assert lead.totals == {}
    assert [line.applied for line in lead.lines.values() if line.kind == "reset"] == [-20]


def test_a_reset_of_a_lead_at_zero_still_takes_in_what_arrives_later() -> None:
    lead = lead_with(plans(rule()), [reset(HOUR)])
    assert lead.lines == {}
    lead.receive(event())
    assert lead.totals == {}


def test_an_adjustment_survives_a_rescore() -> None:
    lead = lead_with(plans(rule()), [event(), adjustment(MINUTE, 7)])
    lead.rescore(1)
    assert lead.totals == {"A": 17}


def test_a_late_event_supersedes_only_what_it_changes() -> None:
    lead = Lead(plans(rule()))
    lead.receive(*(event(number * DAY) for number in range(1, 5)))
    lines = set(lead.lines)
    lead.receive(event())
    assert lines < set(lead.lines)


def test_a_rescore_says_which_rule_pays_though_the_points_stay_the_same() -> None:
    old, new = configuration(rule(rule_id="old")), configuration(rule(rule_id="new"))
    lead = lead_with(versions((0, old), (1, new)), [event(version=1)])
    lead.rescore(2)
    assert [line.awards for line in lead.lines.values()] == [(("new", 10),)]


def test_a_late_event_moves_the_multiplier_of_points_that_stay_the_same() -> None:
    surging = plans(rule(weight=1), surge_policy={"mode": "standard"})
    burst, late = [event(number) for number in range(1, 5)], event(0)
    lead = lead_with(surging, burst)
    lead.receive(late)
    assert [(line[5], line[7]) for line in lead.ledger] == [(1000, 1)] * 4 + [(1250, 1)]


def test_a_reset_ends_the_surge_but_no_session_burst_or_silence() -> None:
    burst = {"filter_id": "f", "event_type": "page_view", "count_threshold": 5, "time_window_ms": 60_000}
    scoring = plans(rule(), surge_policy={"mode": "standard"}, filters=[burst], **WEEKLY)
    lead = lead_with(scoring, [*(event(number) for number in range(4)), reset(4), event(5), event(6)])
    assert lead.totals == {"A": 10}
    assert lead.standing.surge_count == 1
    assert [session.count for session in lead.sessions.values()] == [5]
    assert [verdict.suppression_reason for verdict in lead.verdicts.values()][-1] == "inorganic"
    assert lead.next_decay_at == NOON + 7 * DAY + 5


def test_an_entry_says_everything_about_its_change_of_the_total() -> None:
    surging = plans(rule(rule_id="r"), surge_policy={"mode": "custom", "bands": [{"min_events": 1, "multiplier": 1.5}]})
    viewed, corrected, cleared = event(0), adjustment(1, -20), reset(3)
    outcome = fold(surging, Standing(), [viewed, corrected, again := event(2), cleared])
    assert outcome.entries == [
        Entry("event", viewed.id, "A", NOON, 1, (("r", 10),), 10, 1500, 15, 15, 0, 15),
        Entry("adjustment", corrected.id, "A", NOON + 1, None, (), -20, 1000, -20, -15, 15, 0),
        Entry("event", again.id, "A", NOON + 2, 1, (("r", 10),), 10, 1500, 15, 15, 0, 15),
        Entry("reset", cleared.id, "A", NOON + 3, None, (), -15, 1000, -15, -15, 15, 0),
    ]


def test_a_reset_clears_the_standing() -> None:
    standing = lead_with(plans(rule(max_per_lead=5)), [event(), reset(1)]).standing
    assert (standing.totals, standing.uses, standing.surge_count, standing.surge_at) == ({}, {}, 0, None)


def test_entries_of_one_reset_decay_or_lift_are_in_the_order_of_their_rulesets() -> None:
    decays = [{"decay_id": "weekly", "inactive_for": 7, "unit": "days", "decrease": 5}]
    points = [("B", -20), ("C", 30), ("A", -10)]
    facts = [adjustment(at, change, ruleset_id=ruleset_id) for at, (ruleset_id, change) in enumerate(points)]
    rules = [rule(ruleset_id=ruleset_id) for ruleset_id in "ABC"]
    negative = configuration(*rules, allow_negative_scores=True, decays=decays)
    scoring = versions((0, negative), (NOON + 8 * DAY, configuration(*rules, decays=decays)))
    lead = lead_with(scoring, [event(-DAY, "visit"), *facts, reset(9 * DAY)])
    derived = [line[1:4] for line in lead.lines.values() if line.kind not in ("adjustment", "event")]
    assert [(kind, ruleset_id) for kind, _, ruleset_id in derived] == [
        ("decay", "A"),
        ("decay", "B"),
        ("decay", "C"),
        ("lift", "A"),
        ("lift", "B"),
        ("reset", "C"),
    ]
    added = [adjustment(0, 5, ruleset_id="B"), adjustment(1, 5, ruleset_id="A"), reset(2)]
    cleared = lead_with(plans(*rules), added)
    assert [line.ruleset_id for line in cleared.lines.values() if line.kind == "reset"] == ["A", "B"]
