"""However often and whenever somebody looks, silence has the same consequences."""

from itertools import zip_longest

from hypothesis import given

from engine.given import NOON
from engine.histories import FAR, Dice, History, batches, histories, instant_of, instants, throws
from engine.unit import Lead, told
from leadvibe.engine import Standing, advance, fold, fold_until, order


@given(histories(), throws(most=6), throws(most=7))
def test_advancing_early_late_or_never_gives_the_same(history: History, cuts: list[Dice], advances: list[Dice]) -> None:
    lead = Lead(history.plans)
    for batch, until in zip_longest(batches(history.facts, cuts), advances):
        lead.receive(*(batch or ()))
        if until is not None:
            lead.advance(NOON + instant_of(until))
    lead.advance(FAR)
    never = told(history.plans, history.facts)
    never.advance(FAR)
    assert lead.story == never.story


@given(histories(), instants, instants)
def test_advancing_twice_is_advancing_once(history: History, early: int, late: int) -> None:
    early, late = NOON + min(early, late), NOON + max(early, late)
    before = fold(history.plans, Standing(), sorted((fact for fact in history.facts if fact.at <= early), key=order))
    first = advance(history.plans, before.standing, early)
    second = advance(history.plans, first.standing, late)
    at_once = advance(history.plans, before.standing, late)
    assert [*first.entries, *second.entries] == at_once.entries
    assert second.standing == at_once.standing
    assert second.next_decay_at == at_once.next_decay_at


@given(histories(), instants)
def test_settling_is_folding_and_then_advancing(history: History, until: int) -> None:
    facts = sorted(history.facts, key=order)
    folded = fold(history.plans, Standing(), facts)
    advanced = advance(history.plans, folded.standing, NOON + until)
    settled = fold_until(history.plans, Standing(), facts, NOON + until)
    assert settled.entries == [*folded.entries, *advanced.entries]
    assert (settled.verdicts, settled.sessions) == (folded.verdicts, folded.sessions)
    assert (settled.standing, settled.next_decay_at) == (advanced.standing, advanced.next_decay_at)


@given(histories())
def test_the_next_decay_is_due_when_it_is_said_to_be(history: History) -> None:
    outcome = fold(history.plans, Standing(), sorted(history.facts, key=order))
    due = outcome.next_decay_at
    if due is None:
        assert not advance(history.plans, outcome.standing, FAR).entries
    else:
        assert not advance(history.plans, outcome.standing, due - 1).entries
        entries = advance(history.plans, outcome.standing, due).entries
        assert {entry.at for entry in entries} == {due}
        assert all(entry.applied for entry in entries)
