"""Configurations and their stored JSON."""

import json
from typing import Any

from leadvibe.engine import Configuration
from leadvibe.engine.configuration import AttributeFilterConfig
from leadvibe.rulesets.snapshots import dump_configuration, load_configuration
from leadvibe.rulesets.versions import intern_parts

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


def test_a_configuration_is_dumped_as_the_json_it_was_loaded_from() -> None:
    dumped = dump_configuration(load_configuration(STORED))
    assert json.dumps(dumped, sort_keys=True) == json.dumps(STORED, sort_keys=True)


def test_absent_keys_have_their_defaults() -> None:
    assert load_configuration({}) == Configuration()
    (rule,) = load_configuration(
        {"rules": [{"rule_id": "r", "ruleset_id": "s", "event_type": "signup", "weight": 1}]}
    ).rules
    assert rule.active
    assert rule.attribute_filters == ()


def test_equal_parts_of_versions_are_shared() -> None:
    parts: dict[str, Any] = {}
    first, second = (intern_parts(load_configuration(STORED), parts) for _ in range(2))
    assert first == second == load_configuration(STORED)
    assert first.rules[0] is second.rules[0]
    assert first.event_types is second.event_types


def test_parts_are_not_shared_if_their_values_are_equal_but_of_different_types() -> None:
    parts: dict[str, Any] = {}
    rule = {"rule_id": "r", "ruleset_id": "s", "event_type": "signup", "weight": 1}
    for value in (True, 1):
        filters = [{"field": "paid", "operator": "equals", "value": value}]
        stored = {"rules": [{**rule, "attribute_filters": filters}]}
        loaded = intern_parts(load_configuration(stored), parts)
        (only,) = loaded.rules[0].attribute_filters
        assert isinstance(only, AttributeFilterConfig)
        assert only.value is value
