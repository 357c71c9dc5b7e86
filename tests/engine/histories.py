"""Random configurations and histories, small and dense, so that all features interact."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

from hypothesis import strategies as st

from engine.builders import HOUR, MINUTE, NOON, SECOND, adjustment, event, reset, to_datetime, versions
from leadvibe.engine import Adjustment, Configuration, Event, Fact, Plans, Reset
from leadvibe.engine.configuration import (
    AttributeFilterConfig,
    BandConfig,
    DecayConfig,
    EventTypeConfig,
    FilterConfig,
    RuleConfig,
    RulesetConfig,
    SurgeConfig,
)

T = TypeVar("T")

SPAN = 30
"""The hours that a history may span."""

FAR = NOON + 2 * SPAN * HOUR
"""Later than every fact of a history."""


def _rule(rule_id: str, ruleset_id: str, event_type: str, weight: int, **more: Any) -> RuleConfig:
    return RuleConfig(rule_id=rule_id, ruleset_id=ruleset_id, event_type=event_type, weight=weight, **more)


def _time(hours: int) -> str:
    return to_datetime(NOON + hours * HOUR).isoformat()


_GOLD = (AttributeFilterConfig(field="tier", operator="equals", value="gold"),)

# Rules with the same id are one rule before and after an edit.
_RULES = [
    _rule("1", "A", "a", 10),
    _rule("1", "A", "a", 10, max_per_lead=2),
    _rule("1", "A", "b", 6, max_per_lead=3),
    _rule("2", "A", "b", -9),
    _rule("2", "A", "b", 7, attribute_filters=_GOLD),
    _rule("3", "A", "c", 0),
    _rule("4", "A", "a", -4, attribute_filters=_GOLD),
    _rule("5", "B", "a", 5, max_per_lead=1),
    _rule("5", "B", "a", 5, start_at=_time(3), end_at=_time(20)),
    _rule("6", "B", "c", 12),
    _rule("7", "B", "b", -3),
]
_A = RulesetConfig(ruleset_id="A")
_RULESETS = [
    (_A, RulesetConfig(ruleset_id="B")),
    (_A, RulesetConfig(ruleset_id="B", active=False)),
    (_A, RulesetConfig(ruleset_id="B", start_at=_time(4), end_at=_time(16))),
]
_SURGES = [
    None,
    SurgeConfig(mode="gentle", idle_reset_seconds=3 * 3600),
    SurgeConfig(
        mode="custom",
        bands=(
            BandConfig(min_events=2, max_events=3, multiplier=1.25),
            BandConfig(min_events=4, max_events=None, multiplier=2.5),
        ),
        idle_reset_seconds=3600,
        multiplier_cap=2.0,
    ),
]


def _filter(filter_id: str, event_type: str, count: int, window_seconds: int, *, group: bool = False) -> FilterConfig:
    return FilterConfig(
        filter_id=filter_id,
        event_type=event_type,
        count_threshold=count,
        time_window_ms=window_seconds * 1000,
        group_events=group,
    )


_FILTERS = [
    _filter("1", "a", 1, 2),
    _filter("1", "a", 2, 5_400),
    _filter("2", "a", 1, 7_200, group=True),
    _filter("2", "b", 1, 1_800, group=True),
    _filter("3", "b", 2, 5_400),
]
_DECAYS = [
    DecayConfig(decay_id="1", inactive_for=1, unit="hours", decrease=3),
    DecayConfig(decay_id="1", inactive_for=1, unit="hours", decrease=8),
    DecayConfig(decay_id="1", inactive_for=3, unit="hours", decrease=3),
    DecayConfig(decay_id="2", inactive_for=2, unit="hours", decrease=5),
]
_EVENT_TYPES: list[dict[str, EventTypeConfig]] = [
    {},
    {"c": EventTypeConfig(hidden=True)},
    {"b": EventTypeConfig(max_processing_scope="observe"), "c": EventTypeConfig(max_processing_scope="decide")},
]


class Dice:
    """A number from which many choices are made: much faster than one draw for each, and it still shrinks."""

    def __init__(self, number: int) -> None:
        self.number = number

    def pick(self, options: Sequence[T]) -> T:
        self.number, index = divmod(self.number, len(options))
        return options[index]

    def some(self, options: Sequence[T], id_name: str) -> tuple[T, ...]:
        """Any of the options, but at most one of each id."""
        chosen = [option for option in options if self.pick((False, True))]
        return tuple({getattr(option, id_name): option for option in chosen}.values())


def throws(*, minimum: int = 0, maximum: int) -> st.SearchStrategy[list[Dice]]:
    """A number of dice, all in one draw."""
    bytes_of = {size: st.binary(min_size=4 * size, max_size=4 * size) for size in range(minimum, maximum + 1)}
    return st.integers(minimum, maximum).flatmap(bytes_of.__getitem__).map(_thrown)


def _thrown(drawn: bytes) -> list[Dice]:
    return [Dice(int.from_bytes(drawn[at : at + 4], "little")) for at in range(0, len(drawn), 4)]


def configuration(first: Dice, second: Dice) -> Configuration:
    return Configuration(
        rules=first.some(_RULES, "rule_id"),
        surge_policy=first.pick(_SURGES),
        event_types=first.pick(_EVENT_TYPES),
        decays=second.some(_DECAYS, "decay_id"),
        filters=second.some(_FILTERS, "filter_id"),
        rulesets=second.pick(_RULESETS),
        allow_negative_scores=second.pick((False, True)),
        session_timeout_minutes=second.pick((30, 1, 120)),
    )


configurations = throws(minimum=2, maximum=2).map(lambda thrown: configuration(*thrown))

# Most facts are within a few hours, so that bursts, ties and pauses all occur.
_HALF_HOURS = [*range(5), *range(5), *range(5), *range(5), *range(5, 2 * SPAN)]


def instant_of(dice: Dice) -> int:
    return dice.pick(_HALF_HOURS) * 30 * MINUTE + dice.pick((0, 0, 0, 1, 2, 3, 1800)) * SECOND


instants = st.builds(Dice, st.integers(0, 2**16)).map(instant_of)


def fact(number: int, newest: int, dice: Dice) -> Fact:
    at = instant_of(dice)
    match dice.pick(["event"] * 10 + ["adjustment", "adjustment", "reset"]):
        case "event":
            return event(
                at,
                dice.pick("aabbc"),
                number=number,
                version=dice.pick(range(1, newest + 1)),
                channel=dice.pick(("web", "web", "web", "email", "system")),
                metadata=dice.pick(({}, {"tier": "gold"})),
            )
        case "adjustment":
            return adjustment(at, dice.pick((5, -5, 20, -20, 0)), ruleset_id=dice.pick("AB"), number=number)
        case _:
            return reset(at, number=number)


@dataclass(frozen=True)
class History:
    configurations: list[tuple[int, Configuration]]
    """Each version with the instant of its creation."""
    facts: list[Fact]

    @cached_property
    def plans(self) -> Plans:
        return versions(*self.configurations)

    @property
    def events(self) -> list[Event]:
        return [fact for fact in self.facts if isinstance(fact, Event)]

    def __repr__(self) -> str:
        return f"History({self.configurations!r}, {[_brief(fact) for fact in self.facts]})"


def _brief(fact: Fact) -> str:
    at = (fact.at - NOON) / HOUR
    match fact:
        case Event():
            return f"{fact.id.int}: {fact.type} at {at:g}h by v{fact.version} {fact.channel} {fact.metadata}"
        case Adjustment():
            return f"{fact.id.int}: {fact.points:+} to {fact.ruleset_id} at {at:g}h"
        case Reset():
            return f"{fact.id.int}: reset at {at:g}h"


@st.composite
def histories(draw: st.DrawFn, *, max_versions: int = 3, max_facts: int = 20) -> History:
    """Facts in any order, each event judged by any of the versions."""
    dice = draw(throws(minimum=3, maximum=3 * max_versions))
    drawn = [configuration(*dice[at : at + 2]) for at in range(0, len(dice) - 2, 3)]
    created = sorted(NOON + instant_of(each) for each in dice[5::3])
    facts = [fact(number, len(drawn), each) for number, each in enumerate(draw(throws(maximum=max_facts)), start=1)]
    return History(list(zip([0, *created], drawn, strict=True)), facts)


def batches(facts: Sequence[Fact], cuts: Sequence[Dice]) -> list[list[Fact]]:
    """The facts in their order, cut into batches."""
    edges = sorted({0, len(facts), *(cut.number % (len(facts) + 1) for cut in cuts)})
    return [list(facts[start:end]) for start, end in pairwise(edges)]
