"""An oracle: scoring by its definitions, from the whole history at each step. Slow, and unlike the engine."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from engine.builders import HOUR, MINUTE, NOON, SECOND
from engine.lead import Ledger
from leadvibe.engine import Adjustment, Configuration, Event, Fact, Reset, Session, SurgeEvent, order
from leadvibe.engine.configuration import DecayConfig, RuleConfig, RulesetConfig, SurgeConfig
from leadvibe.engine.instants import to_instant

_GENTLE = [(1, 4, "1"), (5, 9, "1.1"), (10, None, "1.25")]


class Oracle:
    """Derives ledger, sessions, surge events and reasons from a history and the versions of the configuration."""

    def __init__(self, versions: Sequence[tuple[int, Configuration]], facts: Sequence[Fact], until: int) -> None:
        self.versions = versions
        self.ledger: Ledger = []
        self.totals: dict[str, int] = {}
        self.reasons: dict[Any, str | None] = {}
        self.seen: list[Event] = []
        self.activity: list[list[Event]] = []
        self.paid: list[str] = []
        self.surge: list[tuple[int, Decimal]] = []
        self.surge_events: list[SurgeEvent] = []
        self.changed: set[str] = set()
        done = NOON - HOUR
        for fact in sorted(facts, key=order):
            self._pass_time(done, fact.at)
            self._apply(fact)
            done = fact.at
        self._pass_time(done, until, whole=True)

    @property
    def sessions(self) -> dict[Any, Session]:
        return {
            session[0].id: Session(
                session[0].id,
                session[0].at,
                session[-1].at,
                session[0].type,
                session[-1].type,
                len(session),
                session[0].channel,
            )
            for session in self.activity
        }

    def _in_force(self, at: int) -> int:
        return max((index for index, (created, _) in enumerate(self.versions) if created <= at), default=0)

    # Derived steps.

    def _pass_time(self, since: int, until: int, *, whole: bool = False) -> None:
        steps = [(at, 4, "", 0) for at in self._lifts() if since <= at < until + whole]
        steps += [step for step in self._decays(since, until) if since < step[0] <= until]
        for at, _, decay_id, decrease in sorted(steps):
            for ruleset_id in sorted(self.changed):
                total = self.totals[ruleset_id]
                if not decay_id and total < 0:
                    self._write("lift", "allow_negative_scores", ruleset_id, at, -total, floored=False)
                if decay_id and self._is_open(ruleset_id, at, self._in_force(at)) and self._may_fall(total, at):
                    self._write("decay", decay_id, ruleset_id, at, -decrease)

    def _may_fall(self, total: int, at: int) -> bool:
        return total > 0 or self.versions[self._in_force(at)][1].allow_negative_scores

    def _lifts(self) -> Iterator[int]:
        for at in sorted({created for created, _ in self.versions[1:]}):
            allowed = [self.versions[self._in_force(when)][1].allow_negative_scores for when in (at - 1, at)]
            if allowed == [True, False]:
                yield at

    def _decays(self, since: int, until: int) -> Iterator[tuple[int, int, str, int]]:
        active = max((session[-1].at for session in self.activity), default=NOON - 10**6 * HOUR)
        for index, (_, configuration) in enumerate(self.versions):
            for decay in configuration.decays:
                period = decay.inactive_for * HOUR
                due = max(active, self._origin(index, decay))
                due += max(0, (since - due) // period) * period
                while due <= until:
                    if self._in_force(due) == index and due > max(active, self._origin(index, decay)):
                        yield due, 0, decay.decay_id, decay.decrease
                    due += period

    def _origin(self, index: int, decay: DecayConfig) -> int:
        """From where inactivity counts: a period before the rule was created, or the last edit of its period.

        Versions without the rule don't count.
        """
        periods = [
            (created, each.inactive_for)
            for created, configuration in self.versions[: index + 1]
            for each in configuration.decays
            if each.decay_id == decay.decay_id
        ]
        created, period = periods[0]
        edits = [edited for (_, before), (edited, after) in pairwise(periods) if before != after]
        return edits[-1] if edits else created - period * HOUR

    def _is_open(self, ruleset_id: str, at: int, index: int) -> bool:
        (ruleset,) = (each for each in self.versions[index][1].rulesets if each.ruleset_id == ruleset_id)
        return ruleset.active and _within(ruleset, at)

    # Facts.

    def _apply(self, fact: Fact) -> None:
        match fact:
            case Event():
                self._event(fact)
            case Adjustment():
                self._write("adjustment", fact.id, fact.ruleset_id, fact.at, fact.points)
            case Reset():
                for ruleset_id, total in sorted(self.totals.items()):
                    if total:
                        self._write("reset", fact.id, ruleset_id, fact.at, -total, floored=False)
                self.changed, self.paid, self.surge = set(), [], []

    def _event(self, event: Event) -> None:
        _, configuration = self.versions[event.version - 1]
        self.reasons[event.id] = self._reason(event, configuration)
        self.seen.append(event)
        if self.reasons[event.id]:
            return
        if event.channel != "system":
            timeout = configuration.session_timeout_minutes * MINUTE
            if self.activity and event.at - self.activity[-1][-1].at <= timeout:
                self.activity[-1].append(event)
            else:
                self.activity.append([event])
        restricted = configuration.event_types.get(event.type)
        observed = restricted is not None and (restricted.hidden or restricted.max_processing_scope == "observe")
        if event.reset_before_merge or observed:
            return
        self._score(event, configuration)

    def _reason(self, event: Event, configuration: Configuration) -> str | None:
        same = [*(each.at for each in self.seen if each.type == event.type), event.at]
        filters = sorted(configuration.filters, key=lambda each: (each.time_window_ms, each.filter_id))
        for velocity in filters:
            window = velocity.time_window_ms * 1000
            burst, first = None, False
            for at in same:
                first = burst is None or at - burst >= window
                burst = at if first else burst
            too_many = sum(at > event.at - window for at in same) > velocity.count_threshold
            if velocity.event_type == event.type and too_many:
                if not velocity.group_events:
                    return "inorganic"
                if not first:
                    return "inorganic_grouped"
        return None

    def _score(self, event: Event, configuration: Configuration) -> None:
        index = event.version - 1
        awards: dict[str, dict[str, int]] = {}
        for rule in configuration.rules:
            if (
                rule.event_type == event.type
                and self._is_open(rule.ruleset_id, event.at, index)
                and _within(rule, event.at)
                and (not rule.attribute_filters or event.metadata.get("tier") == "gold")
                and self.paid.count(rule.rule_id) < (rule.max_per_lead or 10**9)
            ):
                awards.setdefault(rule.ruleset_id, {})[rule.rule_id] = rule.weight
        self.paid += [rule_id for paid in awards.values() for rule_id in paid]
        gaining = any(sum(paid.values()) > 0 for paid in awards.values()) and event.channel != "system"
        multiplier = self._multiplier(event, configuration.surge_policy) if gaining else Decimal(1)
        for ruleset_id, paid in sorted(awards.items()):
            base = sum(paid.values())
            times = multiplier if base > 0 else Decimal(1)
            points = int((base * times).quantize(Decimal(1), ROUND_HALF_UP))
            self._write("event", event.id, ruleset_id, event.at, points, awards=paid, multiplier=times)

    def _multiplier(self, event: Event, policy: SurgeConfig | None) -> Decimal:
        idle_seconds = policy.idle_reset_seconds if policy and policy.idle_reset_seconds else 1800
        if self.surge and event.at - self.surge[-1][0] > idle_seconds * SECOND:
            self.surge = []
        count = len(self.surge) + 1
        multiplier = self._multiplier_of(count, policy)
        self.surge.append((event.at, multiplier))
        before = self.surge[-2][1] if count > 1 else Decimal(1)
        if multiplier > before:
            thousandths = int(multiplier * 1000)
            surge = SurgeEvent(event.id, event.at, event.channel, self.surge[0][0], count, thousandths)
            self.surge_events.append(surge)
        return multiplier

    def _multiplier_of(self, count: int, policy: SurgeConfig | None) -> Decimal:
        if not policy:
            return Decimal(1)
        custom = [(each.min_events, each.max_events, str(each.multiplier)) for each in policy.bands or ()]
        bands = custom or _GENTLE
        factors = [Decimal(by) for least, most, by in bands if least <= count <= (most or 10**9)]
        return min(*factors, Decimal("2" if custom else "1.5")) if factors else Decimal(1)

    def _write(
        self,
        kind: str,
        cause: object,
        ruleset_id: str,
        at: int,
        points: int,
        *,
        awards: Mapping[str, int] = MappingProxyType({}),
        multiplier: Decimal = Decimal(1),
        floored: bool = True,
    ) -> None:
        before = self.totals.get(ruleset_id, 0)
        after = before + points
        if floored and not self.versions[self._in_force(at)][1].allow_negative_scores:
            after = max(0, after)
        if points and kind in ("event", "adjustment"):
            self.changed.add(ruleset_id)
        self.totals[ruleset_id] = after
        paid = tuple(sorted(awards.items()))
        self.ledger.append((kind, cause, ruleset_id, at, paid, int(multiplier * 1000), points, after - before))


def _within(config: RuleConfig | RulesetConfig, at: int) -> bool:
    start, end = config.start_at, config.end_at
    return (not start or to_instant(datetime.fromisoformat(start)) <= at) and (
        not end or at < to_instant(datetime.fromisoformat(end))
    )
