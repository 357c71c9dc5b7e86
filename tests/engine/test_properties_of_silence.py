"""Long silences: decay steps that change nothing are skipped, and the ledger is as if they weren't."""

from dataclasses import replace

import pytest
from hypothesis import given

from engine.builders import DAY
from engine.counting import counting
from engine.histories import FAR, Dice, History, fact, histories, throws
from engine.lead import lead_with
from engine.oracle import Oracle
from leadvibe.engine import Fact, Outcome, Standing, fold_until, intervals, order

SILENCE = 10 * DAY


def later(history: History, thrown: list[Dice]) -> History:
    """With more facts, and a long silence before each of them."""
    newest, more = len(history.configurations), enumerate(thrown, start=1)
    silent = [_delayed(fact(100 + number, newest, dice), number * SILENCE) for number, dice in more]
    return History(history.configurations, [*history.facts, *silent])


def _delayed(each: Fact, by: int) -> Fact:
    return replace(each, at=each.at + by)


def with_every_step(history: History, until: int) -> Outcome:
    """The slow way: every decay step that is due is taken, even if no total can change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "_decay_changes", lambda *_: True)
        return fold_until(history.plans, Standing(), sorted(history.facts, key=order), until)


@given(histories(), throws(maximum=2))
def test_skipping_steps_without_effect_gives_the_same_ledger(history: History, thrown: list[Dice]) -> None:
    history, until = later(history, thrown), FAR + 3 * SILENCE
    slow = with_every_step(history, until)
    with counting() as counts:
        quick = fold_until(history.plans, Standing(), sorted(history.facts, key=order), until)
    assert quick.entries == slow.entries
    assert (quick.verdicts, quick.sessions, quick.surge_events) == (slow.verdicts, slow.sessions, slow.surge_events)
    assert dict(quick.standing.totals) == dict(slow.standing.totals)
    changed = {(entry.at, entry.cause) for entry in quick.entries if entry.kind in ("decay", "lift")}
    assert counts.steps == len(changed)


@given(histories(max_facts=8), throws(maximum=2))
def test_the_engine_follows_the_definitions_through_long_silences(history: History, thrown: list[Dice]) -> None:
    history, until = later(history, thrown), FAR + 3 * SILENCE
    oracle = Oracle(history.configurations, history.facts, until)
    lead = lead_with(history.plans, history.facts)
    lead.advance(until)
    assert lead.ledger == sorted(oracle.ledger, key=lambda line: (line[3], str(line)))
    assert list(lead.surge_events.values()) == oracle.surge_events
