"""Decay rules: silence costs points, at exact instants."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from leadvibe.engine.configuration import DecayConfig
from leadvibe.engine.instants import DAY, HOUR, WEEK

_UNITS = {"hours": HOUR, "days": DAY, "weeks": WEEK}


@dataclass(frozen=True, slots=True)
class DecayRule:
    """A decay rule while it is in force unchanged."""

    decay_id: str
    period: int
    decrease: int
    origin: int
    """Silence counts from here at the earliest: a period before the rule was made, or the edit of its period."""

    def due(self, activity: int, since: int) -> int:
        """The first due instant that isn't before `since`: a whole number of periods after the anchor."""
        anchor = max(activity, self.origin)
        periods = max(1, -((anchor - since) // self.period))
        return anchor + periods * self.period


def in_force(configs: Iterable[DecayConfig], before: Mapping[str, DecayRule], since: int) -> dict[str, DecayRule]:
    """The decay rules that a change of the configuration puts in force, by id, given those until then."""
    rules: dict[str, DecayRule] = {}
    for config in sorted(configs, key=lambda config: config["decay_id"]):
        decay_id, decrease = config["decay_id"], config["decrease"]
        period = config["inactive_for"] * _UNITS[config["unit"]]
        known = before.get(decay_id)
        if known is None:
            rules[decay_id] = DecayRule(decay_id, period, decrease, origin=since - period)
        elif known.period != period:
            rules[decay_id] = DecayRule(decay_id, period, decrease, origin=since)
        else:
            rules[decay_id] = replace(known, decrease=decrease)
    return rules
