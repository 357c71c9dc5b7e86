"""Decay steps that change nothing are skipped, however long a lead is inactive. The tests count steps, not time."""

from collections.abc import Iterator

import pytest

from engine.builders import DAY, HOUR, MINUTE, NOON, adjustment, configuration, event, plans, reset, rule, versions
from engine.counting import Counts, counting
from leadvibe.engine import Fact, Plans, Standing, advance, fold_until
from leadvibe.engine.configuration import RulesetConfig

TEN_YEARS = 3_650 * DAY
HOURLY = {"decay_id": "hourly", "inactive_for": 1, "unit": "hours", "decrease": 1}
DAILY = {"decay_id": "daily", "inactive_for": 1, "unit": "days", "decrease": 3}


@pytest.fixture
def counts() -> Iterator[Counts]:
    with counting() as counted:
        yield counted


NEGATIVE = configuration(rule(weight=-3), decays=[HOURLY], allow_negative_scores=True)
POSITIVE = configuration(rule(weight=-3), decays=[HOURLY])
OF_B = [RulesetConfig(ruleset_id="A", is_primary=True), RulesetConfig(ruleset_id="B", active=False)]

# Plans, facts, and the steps until ten years after the first fact.
SILENT: dict[str, tuple[Plans, list[Fact], int]] = {
    "no points": (plans(rule(weight=0), decays=[HOURLY]), [event(0)], 0),
    "ten points": (plans(rule(), decays=[HOURLY]), [event(0)], 10),
    # After a day, the daily rule takes the last points, so the hourly one changes nothing.
    "two rules": (plans(rule(weight=26), decays=[HOURLY, DAILY]), [event(0)], 24),
    "points after a loss": (plans(rule(weight=-5), decays=[HOURLY]), [event(0), adjustment(MINUTE, 4)], 4),
    "a reset": (plans(rule(weight=500), decays=[HOURLY]), [event(0), reset(MINUTE)], 0),
    "an inactive ruleset": (
        plans(rule(weight=0), rulesets=OF_B, decays=[HOURLY]),
        [event(0), adjustment(MINUTE, 5, ruleset_id="B")],
        0,
    ),
    "negative scores are switched off": (
        versions((0, NEGATIVE), (NOON + 5 * HOUR + MINUTE, POSITIVE)),
        [event(0)],
        6,
    ),
    "points come back each year": (
        plans(rule(), decays=[HOURLY]),
        [adjustment(year * 365 * DAY + MINUTE, 7) for year in range(10)],
        70,
    ),
}


@pytest.mark.parametrize(("configured", "facts", "steps"), SILENT.values(), ids=SILENT.keys())
def test_ten_years_of_hourly_decay_take_one_step_for_each_change(
    configured: Plans, facts: list[Fact], steps: int, counts: Counts
) -> None:
    outcome = fold_until(configured, Standing(), facts, NOON + TEN_YEARS)
    assert counts.steps == steps == len([entry for entry in outcome.entries if entry.kind in ("decay", "lift")])
    assert counts.searches <= steps + len(facts) + 1
    assert outcome.next_decay_at is None


def test_a_draft_of_hourly_decay_takes_no_step_for_a_lead_without_points(counts: Counts) -> None:
    drafted = plans(rule()).drafted(configuration(rule(), decays=[HOURLY]), NOON - TEN_YEARS, drafts_decays=True)
    outcome = fold_until(drafted, Standing(), [event(-TEN_YEARS), reset(HOUR - TEN_YEARS - 1)], NOON)
    assert (counts.steps, len(outcome.entries)) == (0, 2)
    assert outcome.next_decay_at is None


def test_a_lead_at_the_floor_is_due_again_when_points_come_back_at_the_instants_that_it_always_had(
    counts: Counts,
) -> None:
    configured = plans(rule(weight=2), decays=[{**HOURLY, "inactive_for": 7}])
    floor = fold_until(configured, Standing(), [event(0)], NOON + TEN_YEARS)
    assert (counts.steps, floor.next_decay_at) == (2, None)
    back = fold_until(configured, floor.standing, [adjustment(TEN_YEARS + 1, 2)], NOON + TEN_YEARS + 1)
    periods = TEN_YEARS // (7 * HOUR) + 1
    assert back.next_decay_at == NOON + periods * 7 * HOUR
    assert [entry.at for entry in advance(configured, back.standing, NOON + TEN_YEARS + DAY).entries] == [
        NOON + (periods + more) * 7 * HOUR for more in (0, 1)
    ]
    assert counts.steps == 4


def test_a_lead_at_the_floor_during_a_pause_of_the_rule_keeps_its_due_instants(counts: Counts) -> None:
    on, off = (configuration(rule(weight=2), decays=decays) for decays in ([HOURLY], []))
    paused = versions((0, on), (NOON + DAY, off), (NOON + TEN_YEARS - DAY + MINUTE, on))
    facts: list[Fact] = [event(0), adjustment(2 * DAY, 3)]
    outcome = fold_until(paused, Standing(), facts, NOON + 3 * DAY)
    assert outcome.next_decay_at == NOON + TEN_YEARS - DAY + HOUR
    outcome = advance(paused, outcome.standing, NOON + TEN_YEARS)
    assert [entry.at - NOON for entry in outcome.entries] == [TEN_YEARS - DAY + hour * HOUR for hour in (1, 2, 3)]
    assert (counts.steps, outcome.next_decay_at) == (5, None)
