"""Properties of rescores, of drafts, and of a configuration that changes over time."""

# Snapshots of these tests have every part.
# pyright: reportTypedDictNotRequiredAccess=false

from dataclasses import replace
from uuid import UUID

from hypothesis import given

from engine.builders import MINUTE, NOON, adjustment, event, reset, versions
from engine.histories import FAR, Dice, History, configuration, configurations, histories, instants, throws
from engine.lead import Lead, lead_with
from leadvibe.engine import Configuration, Event, Version


@given(histories())
def test_rescoring_twice_is_rescoring_once(history: History) -> None:
    newest = history.plans.newest
    once, twice = lead_with(history.plans, history.facts), lead_with(history.plans, history.facts)
    once.rescore(newest)
    twice.rescore(newest)
    lines = set(twice.lines)
    twice.rescore(newest)
    assert twice.state == once.state
    assert set(twice.lines) == lines


@given(histories(max_versions=1), instants)
def test_with_one_version_live_rescore_and_simulation_agree(history: History, since: int) -> None:
    lived, rescored = lead_with(history.plans, history.facts), lead_with(history.plans, history.facts)
    rescored.rescore(1)
    ((_, live),) = history.configurations
    simulated = lead_with(history.plans.drafted(live, NOON + since, drafts_decays=True), history.facts)
    assert lived.state == rescored.state == simulated.state


@given(histories(max_versions=1), instants, configurations)
def test_a_draft_scores_as_if_it_had_been_made_when_its_window_began(
    history: History, since: int, other: Configuration
) -> None:
    ((_, live),) = history.configurations
    draft = replace(other, rulesets=live.rulesets, allow_negative_scores=live.allow_negative_scores)
    made = versions((0, live), (NOON + since, draft))
    drafted = history.plans.drafted(draft, NOON + since, drafts_decays=True)
    judged = [
        replace(fact, version=2) if isinstance(fact, Event) and fact.at >= NOON + since else fact
        for fact in history.facts
    ]
    assert lead_with(drafted, history.facts).state == lead_with(made, judged).state


@given(histories(max_versions=1), instants, configurations)
def test_a_draft_without_decays_leaves_those_that_were_in_force(
    history: History, since: int, other: Configuration
) -> None:
    ((_, live),) = history.configurations
    draft = replace(other, rulesets=live.rulesets)
    without_decays = history.plans.drafted(draft, NOON + since, drafts_decays=False)
    same_decays = history.plans.drafted(replace(draft, decays=live.decays), NOON + since, drafts_decays=True)
    assert lead_with(without_decays, history.facts).state == lead_with(same_decays, history.facts).state


LIFE = ["event"] * 9 + ["configure"] * 4 + ["wait"] * 2 + ["late", "adjust", "reset", "delete", "rescore"]


class World:
    """One lead over time: facts arrive on time or late, and the configuration changes in between."""

    def __init__(self, first: Configuration) -> None:
        self.now = NOON
        self.lead = Lead(versions((NOON, first)))
        self.number = 0

    def live(self, dice: Dice, edited: Configuration) -> None:
        self.now += dice.pick((0, 0, 1, 2, 8)) * 15 * MINUTE
        self.number += 1
        lead, newest = self.lead, self.lead.plans.newest
        match dice.pick(LIFE):
            case "event" | "late" as when:
                at = self.now - (dice.pick(range(1, 9)) * 30 * MINUTE if when == "late" else 0)
                lead.receive(
                    event(
                        at - NOON,
                        dice.pick("aabc"),
                        number=self.number,
                        version=newest,
                        metadata=dice.pick(({}, {"tier": "gold"})),
                    )
                )
            case "adjust":
                lead.receive(adjustment(self.now - NOON, dice.pick((5, -5, 20, -20)), number=self.number))
            case "reset":
                lead.receive(reset(self.now - NOON, number=self.number))
            case "configure":
                lead.plans = lead.plans.extended([Version(newest + 1, self.now, edited)])
            case "wait":
                lead.advance(self.now)
            case "delete":
                lead.delete(UUID(int=dice.pick(range(1, self.number + 1))))
            case _:
                lead.rescore(newest)


@given(configurations, throws(maximum=90))
def test_a_ledger_lived_through_is_the_one_derived_afterwards(first: Configuration, thrown: list[Dice]) -> None:
    world = World(first)
    for dice, *configured in zip(thrown[::3], thrown[1::3], thrown[2::3], strict=False):
        world.live(dice, configuration(*configured))
    world.lead.advance(FAR)
    afterwards = lead_with(world.lead.plans, world.lead.facts.values())
    afterwards.advance(FAR)
    assert world.lead.state == afterwards.state
