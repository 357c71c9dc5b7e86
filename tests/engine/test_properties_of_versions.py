"""Rescores, drafts, and a configuration that changes while a lead lives."""

# Snapshots of these tests have every part.
# pyright: reportTypedDictNotRequiredAccess=false

from dataclasses import replace
from uuid import UUID

from hypothesis import given

from engine.given import MINUTE, NOON, adjustment, event, reset
from engine.histories import FAR, Dice, History, histories, instants, snapshot, snapshots, throws
from engine.unit import Lead, told
from leadvibe.engine import Event, Plans, Snapshot


@given(histories())
def test_rescoring_twice_is_rescoring_once(history: History) -> None:
    newest = history.plans.newest
    once, twice = told(history.plans, history.facts), told(history.plans, history.facts)
    once.rescore(newest)
    twice.rescore(newest)
    lines = set(twice.lines)
    twice.rescore(newest)
    assert twice.story == once.story
    assert set(twice.lines) == lines


@given(histories(most_versions=1), instants)
def test_with_one_version_live_rescore_and_simulation_agree(history: History, since: int) -> None:
    lived, rescored = told(history.plans, history.facts), told(history.plans, history.facts)
    rescored.rescore(1)
    ((_, live),) = history.snapshots
    simulated = told(history.plans.drafted(live, NOON + since), history.facts)
    assert lived.story == rescored.story == simulated.story


@given(histories(most_versions=1), instants, snapshots)
def test_a_draft_scores_as_if_it_had_been_made_when_its_window_began(
    history: History, since: int, other: Snapshot
) -> None:
    ((_, live),) = history.snapshots
    lasting: Snapshot = {
        "rulesets": live["rulesets"],
        "allow_negative_scores": live["allow_negative_scores"],
    }
    draft: Snapshot = {**other, **lasting}
    made = Plans.of([(1, 0, live), (2, NOON + since, draft)])
    judged = [
        replace(fact, version=2) if isinstance(fact, Event) and fact.at >= NOON + since else fact
        for fact in history.facts
    ]
    assert told(history.plans.drafted(draft, NOON + since), history.facts).story == told(made, judged).story


@given(histories(most_versions=1), instants, snapshots)
def test_a_draft_without_decays_leaves_those_that_were_in_force(history: History, since: int, other: Snapshot) -> None:
    ((_, live),) = history.snapshots
    draft: Snapshot = {**other, "rulesets": live["rulesets"]}
    named: Snapshot = {**draft, "decays": live["decays"]}
    del draft["decays"]
    drafts = [history.plans.drafted(each, NOON + since) for each in (draft, named)]
    unnamed_story, named_story = (told(plans, history.facts).story for plans in drafts)
    assert unnamed_story == named_story


LIFE = ["event"] * 9 + ["configure"] * 4 + ["wait"] * 2 + ["late", "adjust", "reset", "delete", "rescore"]


class World:
    """One lead, lived through: things happen now or arrive late, and the configuration changes in between."""

    def __init__(self, first: Snapshot) -> None:
        self.now = NOON
        self.lead = Lead(Plans.of([(1, NOON, first)]))
        self.number = 0

    def live(self, dice: Dice, configured: Snapshot) -> None:
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
                lead.plans = lead.plans.extended([(newest + 1, self.now, configured)])
            case "wait":
                lead.advance(self.now)
            case "delete":
                lead.delete(UUID(int=dice.pick(range(1, self.number + 1))))
            case _:
                lead.rescore(newest)


@given(snapshots, throws(most=90))
def test_a_ledger_lived_through_is_the_one_derived_afterwards(first: Snapshot, thrown: list[Dice]) -> None:
    world = World(first)
    for dice, *configured in zip(thrown[::3], thrown[1::3], thrown[2::3], strict=False):
        world.live(dice, snapshot(*configured))
    world.lead.advance(FAR)
    afterwards = told(world.lead.plans, world.lead.facts.values())
    afterwards.advance(FAR)
    assert world.lead.story == afterwards.story
