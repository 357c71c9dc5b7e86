"""Decay rules: a lead loses points at exact instants after periods without activity."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from leadvibe.engine.configuration import DecayConfig
from leadvibe.engine.instants import DAY, HOUR, WEEK, Instant, Microseconds

_UNITS: Mapping[str, Microseconds] = {"hours": HOUR, "days": DAY, "weeks": WEEK}


@dataclass(frozen=True, slots=True)
class DecayRule:
    """A decay rule with its history.

    An edit of the period moves its due instants. An edit of the decrease doesn't, nor does a pause: the instants within
    the pause are skipped.
    """

    decay_id: str
    period: Microseconds
    decrease: int
    origin: Instant
    """Inactivity counts from here at the earliest: one period before the rule's creation, or its period's last edit."""

    def due(self, activity: Instant, since: Instant) -> Instant:
        """The first due instant at or after `since`: a whole number of periods after the activity or the origin."""
        anchor = max(activity, self.origin)
        periods = max(1, -((anchor - since) // self.period))
        return anchor + periods * self.period


def updated_rules(
    configs: Iterable[DecayConfig], previous: Mapping[str, DecayRule], since: Instant
) -> dict[str, DecayRule]:
    """The decay rules by id after a change of the configuration at `since`.

    `previous` are the last known states of all rules of earlier configurations. A rule that was switched off isn't in
    every configuration, but it continues from there when it is switched on again.
    """
    rules: dict[str, DecayRule] = {}
    for config in sorted(configs, key=lambda config: config.decay_id):
        decay_id, decrease = config.decay_id, config.decrease
        period = config.inactive_for * _UNITS[config.unit]
        rule = previous.get(decay_id)
        if rule is None:
            rules[decay_id] = DecayRule(decay_id, period, decrease, origin=since - period)
        elif rule.period != period:
            rules[decay_id] = DecayRule(decay_id, period, decrease, origin=since)
        else:
            rules[decay_id] = replace(rule, decrease=decrease)
    return rules
