"""The parts of a configuration, such as one rule or one setting, which versions store one by one."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from leadvibe.engine import Configuration
from leadvibe.engine.configuration import (
    DecayConfig,
    EventTypeConfig,
    FilterConfig,
    RuleConfig,
    RulesetConfig,
    SurgeConfig,
)

PartKey = tuple[str, str]
"""The kind of a part, and its id among those of its kind."""

LISTS: Final[Mapping[str, tuple[str, type]]] = {
    "rulesets": ("ruleset_id", RulesetConfig),
    "rules": ("rule_id", RuleConfig),
    "decays": ("decay_id", DecayConfig),
    "filters": ("filter_id", FilterConfig),
}
"""Kinds that a configuration lists in the order of their ids: the field of the id, and the type of a part."""
EVENT_TYPES: Final = "event_types"
SETTINGS: Final = "settings"
SETTING_TYPES: Final[Mapping[str, type]] = {
    "surge_policy": SurgeConfig,
    "allow_negative_scores": bool,
    "session_timeout_minutes": int,
}


def split(configuration: Configuration) -> dict[PartKey, Any]:
    """The parts of a configuration as JSON values."""
    stored = msgspec.to_builtins(configuration)
    parts: dict[PartKey, Any] = {}
    for kind, (id_field, _) in LISTS.items():
        parts |= {(kind, part[id_field]): part for part in stored[kind]}
    parts |= {(EVENT_TYPES, event_type): part for event_type, part in stored[EVENT_TYPES].items()}
    parts |= {(SETTINGS, name): stored[name] for name in SETTING_TYPES if stored[name] is not None}
    return parts


def load_part(kind: str, part_id: str, stored: Any) -> Any:
    """Convert the decoded JSON of a part. Absent keys have their defaults."""
    if kind == SETTINGS:
        return msgspec.convert(stored, SETTING_TYPES[part_id])
    return msgspec.convert(stored, EventTypeConfig if kind == EVENT_TYPES else LISTS[kind][1])


def join(stored: Mapping[PartKey, Any]) -> Configuration:
    """The configuration that consists of these parts, given as JSON values."""
    parts = Parts()
    for key, part in stored.items():
        parts.put(key, load_part(*key, part))
    return parts.configuration()


class Parts:
    """The loaded parts of one version, which later versions change one by one."""

    def __init__(self) -> None:
        self._by_kind: dict[str, dict[str, Any]] = {kind: {} for kind in (*LISTS, EVENT_TYPES, SETTINGS)}
        self._fields: dict[str, Any] = {}
        """What the configuration consists of, without the kinds that have changed since."""

    def put(self, key: PartKey, part: Any) -> None:
        """Set a part; None removes it."""
        kind, part_id = key
        self._fields.pop(kind, None)
        if part is None:
            self._by_kind[kind].pop(part_id, None)
        else:
            self._by_kind[kind][part_id] = part

    def configuration(self) -> Configuration:
        """The configuration; it shares all parts with those of other versions that have the same."""
        for kind, parts in self._by_kind.items():
            if kind not in self._fields:
                in_order = dict(sorted(parts.items()))
                self._fields[kind] = tuple(in_order.values()) if kind in LISTS else in_order
        fields = {**self._fields}
        return Configuration(**fields.pop(SETTINGS), **fields)
