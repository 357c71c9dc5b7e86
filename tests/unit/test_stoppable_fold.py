"""A fold that can stop gives what the fold gives."""

from dataclasses import replace
from itertools import pairwise
from random import Random
from uuid import UUID

import pytest

from leadvibe.core.threads import Stopped, StopSignal
from leadvibe.engine import Configuration, Fact, Plans, Standing, Version, fold_until, order
from leadvibe.engine.configuration import DecayConfig, RuleConfig, RulesetConfig
from leadvibe.engine.facts import Adjustment, Event
from leadvibe.engine.instants import DAY, HOUR
from leadvibe.simulation.stoppable_fold import fold_stoppable, longest_part


def plans(*decays: DecayConfig) -> Plans:
    rules = (RuleConfig(rule_id="r", ruleset_id="A", event_type="visit", weight=500),)
    configuration = Configuration(rulesets=(RulesetConfig(ruleset_id="A", is_primary=True),), rules=rules)
    changed = replace(configuration, decays=decays)
    return Plans.of([Version(1, 0, configuration), Version(2, 20 * DAY, changed)])


HOURLY = DecayConfig(decay_id="hourly", inactive_for=1, unit="hours", decrease=1)
DAILY = DecayConfig(decay_id="daily", inactive_for=1, unit="days", decrease=30)


def history(seed: int) -> list[Fact]:
    chance = Random(seed)
    facts: list[Fact] = []
    for number in range(40):
        at, id_ = chance.randrange(60) * DAY + chance.randrange(3) * HOUR, UUID(int=number)
        if chance.random() < 0.2:
            facts.append(Adjustment(id_, at, "A", chance.randrange(-200, 200)))
        else:
            facts.append(Event(id_, "visit", at, bytes([number]), "", chance.choice([1, 2]), {}, "web"))
    return sorted(facts, key=order)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("steps", [1, 7, 100, 10_000])
def test_parts_of_any_length_give_the_whole_ledger(seed: int, steps: int) -> None:
    configured, facts, until = plans(HOURLY, DAILY), history(seed), 90 * DAY
    whole = fold_until(configured, Standing(), facts, until)
    parts = fold_stoppable(configured, facts, until, StopSignal(), steps=steps)
    assert parts.entries == whole.entries
    assert parts.standing == whole.standing
    assert sum(entry.kind == "decay" for entry in whole.entries) > 100


def test_a_fact_after_the_end_is_folded_too() -> None:
    facts = history(1)
    parts = fold_stoppable(plans(DAILY), facts, 30 * DAY, StopSignal(), steps=1)
    assert parts.entries == fold_until(plans(DAILY), Standing(), facts, 30 * DAY).entries
    assert max(fact.at for fact in facts) > 30 * DAY


def test_the_more_often_decay_is_due_the_shorter_are_the_parts() -> None:
    lengths = [longest_part(plans(*decays), 1_000) for decays in ([DAILY], [HOURLY], [HOURLY, DAILY])]
    assert lengths[:2] == [1_000 * DAY, 1_000 * HOUR]
    assert all(shorter < longer for longer, shorter in pairwise(each or 0 for each in lengths))
    assert longest_part(plans(), 1_000) is None


def test_a_fold_stops_between_the_decay_steps_of_one_lead() -> None:
    class After(StopSignal):
        """Is set at the third check."""

        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks == 3:
                self.stop()
            super().check()

    signal = After()
    with pytest.raises(Stopped):
        fold_stoppable(plans(HOURLY), history(2)[:1], 1_000 * DAY, signal, steps=10)
    assert signal.checks == 3
