"""Decay doesn't depend on when or how often a lead is advanced."""

from itertools import zip_longest

from hypothesis import given

from engine.builders import NOON
from engine.histories import FAR, Dice, History, batches, histories, instant_of, instants, throws
from engine.lead import Lead, lead_with
from leadvibe.engine import Standing, advance, fold_until, order
from support.folding import fold


@given(histories(), throws(maximum=6), throws(maximum=7))
def test_advancing_early_late_or_never_gives_the_same(history: History, cuts: list[Dice], advances: list[Dice]) -> None:
    lead = Lead(history.plans)
    for batch, until in zip_longest(batches(history.facts, cuts), advances):
        lead.receive(*(batch or ()))
        if until is not None:
            lead.advance(NOON + instant_of(until))
    lead.advance(FAR)
    never = lead_with(history.plans, history.facts)
    never.advance(FAR)
    assert lead.state == never.state


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
def test_folding_until_an_instant_is_folding_and_then_advancing(history: History, until: int) -> None:
    facts = sorted(history.facts, key=order)
    folded = fold(history.plans, Standing(), facts)
    advanced = advance(history.plans, folded.standing, NOON + until)
    at_once = fold_until(history.plans, Standing(), facts, NOON + until)
    assert at_once.entries == [*folded.entries, *advanced.entries]
    assert (at_once.verdicts, at_once.sessions) == (folded.verdicts, folded.sessions)
    assert (at_once.standing, at_once.next_decay_at) == (advanced.standing, advanced.next_decay_at)


@given(histories())
def test_the_next_decay_is_due_at_the_instant_that_the_fold_returns(history: History) -> None:
    outcome = fold(history.plans, Standing(), sorted(history.facts, key=order))
    due = outcome.next_decay_at
    if due is None:
        assert not advance(history.plans, outcome.standing, FAR).entries
    else:
        assert not advance(history.plans, outcome.standing, due - 1).entries
        entries = advance(history.plans, outcome.standing, due).entries
        assert {entry.at for entry in entries} == {due}
        assert all(entry.applied for entry in entries)
