"""Configurations, their stored parts and their history."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadvibe.engine import Configuration
from leadvibe.rulesets.history import ConfigurationHistory, PartChange
from leadvibe.rulesets.parts import PartKey, join, load_part, split

STORED: dict[str, Any] = {
    "rulesets": [
        {"ruleset_id": "rs_1", "active": True, "is_primary": True, "start_at": None, "end_at": "2026-01-01T00:00:00Z"}
    ],
    "rules": [
        {
            "rule_id": "rl_1",
            "ruleset_id": "rs_1",
            "event_type": "signup",
            "weight": -7,
            "active": False,
            "start_at": "2026-01-01T00:00:00.500000Z",
            "end_at": None,
            "attribute_filters": [
                {"field": "plan", "operator": "equals", "value": ["pro", 5, 5.0, True]},
                {"field": "seats", "operator": "gt", "value": 2.5},
                {"field": "name", "operator": "is_empty", "value": None},
            ],
            "max_per_lead": 3,
        }
    ],
    "surge_policy": {
        "mode": "custom",
        "bands": [{"min_events": 1, "max_events": None, "multiplier": 1.5}],
        "idle_reset_seconds": 60,
        "multiplier_cap": 3.0,
    },
    "decays": [{"decay_id": "dc_1", "inactive_for": 7, "unit": "days", "decrease": 5}],
    "filters": [
        {
            "filter_id": "fl_1",
            "event_type": "signup",
            "count_threshold": 3,
            "time_window_ms": 60_000,
            "group_events": True,
        }
    ],
    "event_types": {"chat": {"hidden": False, "max_processing_scope": "observe"}},
    "allow_negative_scores": True,
    "session_timeout_minutes": 45,
}


PARTS: dict[PartKey, Any] = {
    ("rulesets", "rs_1"): STORED["rulesets"][0],
    ("rules", "rl_1"): STORED["rules"][0],
    ("decays", "dc_1"): STORED["decays"][0],
    ("filters", "fl_1"): STORED["filters"][0],
    ("event_types", "chat"): STORED["event_types"]["chat"],
    **{
        ("settings", name): STORED[name]
        for name in ("surge_policy", "allow_negative_scores", "session_timeout_minutes")
    },
}


def test_a_configuration_is_split_into_the_parts_that_it_was_joined_from() -> None:
    configuration = join(PARTS)
    assert configuration == msgspec.convert(STORED, Configuration)
    assert json.dumps(list(split(configuration).values())) == json.dumps(list(PARTS.values()))
    assert split(configuration).keys() == PARTS.keys()


def test_absent_keys_have_their_defaults() -> None:
    assert join({}) == Configuration()
    (rule,) = join({("rules", "r"): {"rule_id": "r", "ruleset_id": "s", "event_type": "signup", "weight": 1}}).rules
    assert rule.active
    assert rule.attribute_filters == ()


def test_parts_are_in_the_order_of_their_ids() -> None:
    rule = {"ruleset_id": "s", "event_type": "signup", "weight": 1}
    rules = {("rules", name): {**rule, "rule_id": name} for name in ("b", "a", "é", "Z")}
    assert [rule.rule_id for rule in join(rules).rules] == ["Z", "a", "b", "é"]


def changed(version: int, key: PartKey, stored: Any) -> PartChange:
    return PartChange(version, key, None if stored is None else load_part(*key, stored))


def test_versions_share_the_parts_that_they_do_not_change() -> None:
    history = ConfigurationHistory()
    first = list(history.add({1: 10}, [changed(1, key, part) for key, part in PARTS.items()]))
    edit = {**PARTS["rules", "rl_1"], "weight": 3}
    second, third = history.add(
        {2: 20, 3: 30}, [changed(2, ("rules", "rl_1"), edit), changed(3, ("decays", "dc_1"), None)]
    )
    assert [(version.number, version.created_at) for version in (*first, second, third)] == [(1, 10), (2, 20), (3, 30)]
    assert first[0].configuration == join(PARTS)
    assert second.configuration == join({**PARTS, ("rules", "rl_1"): edit})
    assert (third.configuration.decays, third.configuration.rules[0].weight) == ((), 3)
    for version in (*first, second, third):
        assert history[version.number] == version.configuration
        assert history[version.number].filters[0] is first[0].configuration.filters[0]
    assert third.configuration.rules is second.configuration.rules
    with pytest.raises(KeyError):
        history[4]


CHANGES = st.lists(
    st.dictionaries(
        st.tuples(st.just("rules"), st.sampled_from("abc")) | st.tuples(st.just("event_types"), st.sampled_from("xy")),
        st.none() | st.integers(0, 3),
        max_size=4,
    ),
    min_size=1,
    max_size=6,
)


@given(CHANGES, st.integers(1, 5))
def test_a_history_has_what_the_versions_had(changes: list[dict[PartKey, int | None]], batch: int) -> None:
    """However many versions are added at once."""
    current: dict[PartKey, Any] = {}
    expected, events = list[Configuration](), list[PartChange]()
    for version, parts in enumerate(changes, start=1):
        for key, value in parts.items():
            stored = None if value is None else stored_part(key, value)
            events.append(changed(version, key, stored))
            current[key] = stored
        expected.append(join({key: part for key, part in current.items() if part is not None}))
    history = ConfigurationHistory()
    for start in range(1, len(changes) + 1, batch):
        numbers = range(start, min(start + batch, len(changes) + 1))
        added = [event for event in events if event.version in numbers]
        iterated = [version.configuration for version in history.add(dict.fromkeys(numbers, 0), added)]
        assert iterated == expected[start - 1 : start - 1 + batch]
    assert list(history.values()) == expected


def stored_part(key: PartKey, value: int) -> dict[str, Any]:
    kind, part_id = key
    if kind == "rules":
        return {"rule_id": part_id, "ruleset_id": "s", "event_type": "signup", "weight": value}
    return {"hidden": value % 2 == 0}
