"""Random configurations and histories, small and crowded, so that everything meets everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

from hypothesis import strategies as st

from engine.given import HOUR, MINUTE, NOON, SECOND, adjustment, event, reset
from leadvibe.engine import Adjustment, Event, Fact, Plans, Reset, Snapshot, to_datetime

T = TypeVar("T")

SPAN = 30
"""Hours that a history may take."""

FAR = NOON + 2 * SPAN * HOUR
"""Later than everything a history holds."""


def _rule(rule_id: str, ruleset_id: str, event_type: str, weight: int, **more: Any) -> Any:
    return {"rule_id": rule_id, "ruleset_id": ruleset_id, "event_type": event_type, "weight": weight, **more}


def _time(hours: int) -> str:
    return to_datetime(NOON + hours * HOUR).isoformat()


_GOLD = [{"field": "tier", "operator": "equals", "value": "gold"}]

# Rules of one id are the same rule before and after an edit.
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
_RULESETS: list[list[Any]] = [
    [{"ruleset_id": "A"}, {"ruleset_id": "B"}],
    [{"ruleset_id": "A"}, {"ruleset_id": "B", "active": False}],
    [{"ruleset_id": "A"}, {"ruleset_id": "B", "start_at": _time(4), "end_at": _time(16)}],
]
_SURGES: list[Any] = [
    None,
    {"mode": "gentle", "idle_reset_seconds": 3 * 3600},
    {
        "mode": "custom",
        "bands": [
            {"min_events": 2, "max_events": 3, "multiplier": 1.25},
            {"min_events": 4, "max_events": None, "multiplier": 2.5},
        ],
        "idle_reset_seconds": 3600,
        "multiplier_cap": 2.0,
    },
]
_FILTERS: list[Any] = [
    {"filter_id": "1", "event_type": "a", "count_threshold": 1, "time_window_ms": 2_000},
    {"filter_id": "1", "event_type": "a", "count_threshold": 2, "time_window_ms": 5_400_000},
    {"filter_id": "2", "event_type": "a", "count_threshold": 1, "time_window_ms": 7_200_000, "group_events": True},
    {"filter_id": "2", "event_type": "b", "count_threshold": 1, "time_window_ms": 1_800_000, "group_events": True},
    {"filter_id": "3", "event_type": "b", "count_threshold": 2, "time_window_ms": 5_400_000},
]
_DECAYS: list[Any] = [
    {"decay_id": "1", "inactive_for": 1, "unit": "hours", "decrease": 3},
    {"decay_id": "1", "inactive_for": 1, "unit": "hours", "decrease": 8},
    {"decay_id": "1", "inactive_for": 3, "unit": "hours", "decrease": 3},
    {"decay_id": "2", "inactive_for": 2, "unit": "hours", "decrease": 5},
]
_EVENT_TYPES: list[Any] = [
    {},
    {"c": {"hidden": True}},
    {"b": {"max_processing_scope": "observe"}, "c": {"max_processing_scope": "decide"}},
]


class Dice:
    """One number that answers many questions: far quicker than a draw for each, and it still shrinks."""

    def __init__(self, number: int) -> None:
        self.number = number

    def pick(self, options: Sequence[T]) -> T:
        self.number, index = divmod(self.number, len(options))
        return options[index]

    def some(self, options: Sequence[Any], name: str) -> list[Any]:
        """Any of the options, but one of each name."""
        chosen = [option for option in options if self.pick((False, True))]
        return list({option[name]: option for option in chosen}.values())


def throws(*, least: int = 0, most: int) -> st.SearchStrategy[list[Dice]]:
    """Some dice, all of them one draw."""
    bytes_of = {size: st.binary(min_size=4 * size, max_size=4 * size) for size in range(least, most + 1)}
    return st.integers(least, most).flatmap(bytes_of.__getitem__).map(_thrown)


def _thrown(drawn: bytes) -> list[Dice]:
    return [Dice(int.from_bytes(drawn[at : at + 4], "little")) for at in range(0, len(drawn), 4)]


def snapshot(first: Dice, second: Dice) -> Snapshot:
    whole: Any = {
        "rules": first.some(_RULES, "rule_id"),
        "surge_policy": first.pick(_SURGES),
        "event_types": first.pick(_EVENT_TYPES),
        "decays": second.some(_DECAYS, "decay_id"),
        "filters": second.some(_FILTERS, "filter_id"),
        "rulesets": second.pick(_RULESETS),
        "allow_negative_scores": second.pick((False, True)),
        "session_timeout_minutes": second.pick((30, 1, 120)),
    }
    return whole


snapshots = throws(least=2, most=2).map(lambda thrown: snapshot(*thrown))

# Most of it in a few hours, so that bursts, ties and pauses all happen.
_HALF_HOURS = [*range(5), *range(5), *range(5), *range(5), *range(5, 2 * SPAN)]


def instant_of(dice: Dice) -> int:
    return dice.pick(_HALF_HOURS) * 30 * MINUTE + dice.pick((0, 0, 0, 1, 2, 3, 1800)) * SECOND


instants = st.builds(Dice, st.integers(0, 2**16)).map(instant_of)


def fact(number: int, versions: int, dice: Dice) -> Fact:
    at = instant_of(dice)
    match dice.pick(["event"] * 10 + ["adjustment", "adjustment", "reset"]):
        case "event":
            return event(
                at,
                dice.pick("aabbc"),
                number=number,
                version=dice.pick(range(1, versions + 1)),
                channel=dice.pick(("web", "web", "web", "email", "system")),
                metadata=dice.pick(({}, {"tier": "gold"})),
            )
        case "adjustment":
            return adjustment(at, dice.pick((5, -5, 20, -20, 0)), ruleset_id=dice.pick("AB"), number=number)
        case _:
            return reset(at, number=number)


@dataclass(frozen=True)
class History:
    snapshots: list[tuple[int, Snapshot]]
    facts: list[Fact]

    @cached_property
    def plans(self) -> Plans:
        return Plans.of((number, at, given) for number, (at, given) in enumerate(self.snapshots, start=1))

    @property
    def events(self) -> list[Event]:
        return [fact for fact in self.facts if isinstance(fact, Event)]

    def __repr__(self) -> str:
        return f"History({self.snapshots!r}, {[_brief(fact) for fact in self.facts]})"


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
def histories(draw: st.DrawFn, *, most_versions: int = 3, most_facts: int = 20) -> History:
    """Facts in no order, each event judged by any of the versions."""
    configured = draw(throws(least=3, most=3 * most_versions))
    given = [snapshot(*configured[at : at + 2]) for at in range(0, len(configured) - 2, 3)]
    created = sorted(NOON + instant_of(each) for each in configured[5::3])
    happened = [fact(number, len(given), each) for number, each in enumerate(draw(throws(most=most_facts)), start=1)]
    return History(list(zip([0, *created], given, strict=True)), happened)


def batches(facts: Sequence[Fact], cuts: Sequence[Dice]) -> list[list[Fact]]:
    """The facts as they are ordered, cut at some places."""
    edges = sorted({0, len(facts), *(cut.number % (len(facts) + 1) for cut in cuts)})
    return [list(facts[start:end]) for start, end in pairwise(edges)]
