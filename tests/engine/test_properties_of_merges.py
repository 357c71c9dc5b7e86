"""Several leads become one."""

from hypothesis import given
from hypothesis import strategies as st

from engine.histories import Dice, History, histories, throws
from engine.lead import Lead, lead_with
from leadvibe.engine import Fact
from support.merging import countable, latest_reset_at, merge_histories


def owned(history: History) -> list[list[Fact]]:
    """The facts as those of three leads."""
    return [[fact for fact in history.facts if fact.id.int % 3 == owner] for owner in range(3)]


@given(histories(), st.permutations(range(3)))
def test_sources_merge_into_one_target_in_any_order(history: History, turns: list[int]) -> None:
    leads = owned(history)
    at_once = merge_histories(leads)
    one_by_one: list[Fact] = []
    for owner in turns:
        one_by_one = merge_histories([one_by_one, leads[owner]])
    assert one_by_one == at_once


@given(histories(), throws(minimum=20, maximum=20))
def test_what_arrives_after_a_merge_counts_as_if_it_had_arrived_before(history: History, late: list[Dice]) -> None:
    delayed = {fact.id for fact, each in zip(history.events, late, strict=False) if each.number % 2}
    leads = owned(history)
    merged = Lead(history.plans)
    merged.receive(*merge_histories([fact for fact in lead if fact.id not in delayed] for lead in leads))
    for lead in leads:
        merged.receive(*countable((fact for fact in lead if fact.id in delayed), latest_reset_at(lead)))
    assert merged.state == lead_with(history.plans, merge_histories(leads)).state


@given(histories())
def test_merging_with_a_lead_that_did_nothing_leaves_every_total(history: History) -> None:
    alone, merged = (
        lead_with(history.plans, history.facts),
        lead_with(history.plans, merge_histories([history.facts, []])),
    )
    assert merged.totals == alone.totals
    assert merged.sessions == alone.sessions
    assert merged.next_decay_at == alone.next_decay_at
