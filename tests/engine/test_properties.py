"""Properties of every history and every configuration."""

from collections import defaultdict
from dataclasses import replace
from uuid import UUID

from hypothesis import given

from engine.histories import FAR, Dice, History, batches, histories, throws
from engine.lead import Lead, lead_with
from engine.oracle import Oracle
from leadvibe.engine import Event, Standing, order
from support.folding import fold


@given(histories())
def test_the_engine_follows_the_definitions(history: History) -> None:
    oracle = Oracle(history.configurations, history.facts, FAR)
    lead = lead_with(history.plans, history.facts)
    lead.advance(FAR)
    assert lead.ledger == sorted(oracle.ledger, key=lambda line: (line[3], str(line)))
    assert lead.totals == {ruleset_id: total for ruleset_id, total in oracle.totals.items() if total}
    assert lead.sessions == oracle.sessions
    assert list(lead.surge_events.values()) == oracle.surge_events
    assert {verdict.event_id: verdict.suppression_reason for verdict in lead.verdicts.values()} == oracle.reasons


@given(histories())
def test_what_was_applied_adds_up_to_the_total(history: History) -> None:
    outcome = fold(history.plans, Standing(), sorted(history.facts, key=order))
    running: dict[str, int] = defaultdict(int)
    for entry in outcome.entries:
        assert entry.before == running[entry.ruleset_id]
        assert entry.after == entry.before + entry.applied
        running[entry.ruleset_id] = entry.after
    assert {key: total for key, total in running.items() if total} == {
        key: total for key, total in outcome.standing.totals.items() if total
    }


@given(histories())
def test_no_entry_goes_below_the_floor_in_force(history: History) -> None:
    outcome = fold(history.plans, Standing(), sorted(history.facts, key=order))
    for entry in outcome.entries:
        created = [configuration for at, configuration in history.configurations if at <= entry.at]
        if not created[-1].allow_negative_scores:
            assert entry.after >= 0


@given(histories())
def test_the_ledger_is_in_canonical_order(history: History) -> None:
    outcome = fold(history.plans, Standing(), sorted(history.facts, key=order))
    ranks = {"decay": 0, "event": 1, "adjustment": 2, "reset": 3, "lift": 4}
    places = [(entry.at, ranks[entry.kind]) for entry in outcome.entries]
    assert places == sorted(places)


@given(histories(), throws(maximum=6))
def test_any_split_into_batches_gives_the_same(history: History, cuts: list[Dice]) -> None:
    lead = Lead(history.plans)
    for batch in batches(sorted(history.facts, key=order), cuts):
        lead.receive(*batch)
    assert lead.state == lead_with(history.plans, history.facts).state
    assert not lead.replays


@given(histories(), throws(maximum=20))
def test_any_order_of_arrival_gives_the_same(history: History, cuts: list[Dice]) -> None:
    lead = Lead(history.plans)
    for batch in batches(history.facts, cuts):
        lead.receive(*batch)
    assert lead.state == lead_with(history.plans, history.facts).state


@given(histories(), throws(maximum=6), throws(maximum=6))
def test_a_duplicate_changes_nothing(history: History, cuts: list[Dice], again: list[Dice]) -> None:
    keyed = [replace(fact, key=str(fact.id)) if isinstance(fact, Event) else fact for fact in history.facts]
    repeats = [keyed[number.number % len(keyed)] for number in again if keyed]
    other_ids = [replace(fact, id=_other(fact)) if isinstance(fact, Event) else fact for fact in repeats]
    lead = Lead(history.plans)
    for batch in batches([*keyed, *other_ids], cuts):
        lead.receive(*batch)
    assert lead.state == lead_with(history.plans, keyed).state


def _other(fact: Event) -> UUID:
    return UUID(int=fact.id.int + 1_000)


@given(histories(), throws(minimum=1, maximum=1))
def test_deleting_an_event_is_never_having_sent_it(history: History, which: list[Dice]) -> None:
    lead = lead_with(history.plans, history.facts)
    gone = which[0].pick([*history.events, None])
    if gone is not None:
        lead.delete(gone.id)
    assert lead.state == lead_with(history.plans, [fact for fact in history.facts if fact is not gone]).state
