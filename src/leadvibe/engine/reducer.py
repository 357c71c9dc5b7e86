"""The reducer: applies facts and derived steps to a lead's standing, one at a time."""

from collections.abc import Container, Sequence
from uuid import UUID

from leadvibe.engine.entries import Cause, Entry, Kind, Outcome, SurgeEvent, Verdict
from leadvibe.engine.facts import DECAY, EVENT, Adjustment, Event, Fact, Order, Reset, order
from leadvibe.engine.filters import VelocityCounter, VelocityWindow
from leadvibe.engine.instants import BEGINNING, Instant, Microseconds
from leadvibe.engine.intervals import Position, Step
from leadvibe.engine.plan import EventTypePlan, ScoringPlan
from leadvibe.engine.plans import Plans
from leadvibe.engine.rules import Awards, RulesetAward
from leadvibe.engine.sessions import OpenSession, Session
from leadvibe.engine.standing import Standing
from leadvibe.engine.surge import ONE, SurgePolicy, boosted

SYSTEM = "system"
"""The channel of events without a visitor: they are no activity and belong to no session or surge."""

ALLOW_NEGATIVE_SCORES = "allow_negative_scores"
"""The cause of a lift: the setting that was switched off."""


class Reducer:
    def __init__(self, plans: Plans, standing: Standing) -> None:
        self.plans = plans
        self.standing = standing
        self.last: Fact | Order = standing.position
        self.totals = dict(standing.totals)
        self.uses = dict(standing.uses)
        self.surge_count = standing.surge_count
        self.surge_at = standing.surge_at
        self.surge_start = BEGINNING if standing.surge_start is None else standing.surge_start
        self.surge_multiplier = standing.surge_multiplier
        self.surge_events: list[SurgeEvent] = []
        self.activity = BEGINNING if standing.activity is None else standing.activity
        self.session = OpenSession.resumed(standing.session) if standing.session else None
        self.sessions: list[OpenSession] = []
        self.counters: dict[str, VelocityCounter] = {}
        self.entries: list[Entry] = []
        self.verdicts: list[Verdict] = []
        self.interval = plans.timeline.at(standing.position[0])
        self.no_step_before = BEGINNING
        self._bound_next_step(standing.position[0])

    def apply(self, fact: Fact) -> None:
        """Apply the steps that are due before a fact, then the fact."""
        if fact.at >= self.no_step_before:
            self._apply_due_steps(fact.at)
        match fact:
            case Event():
                self._event(fact)
            case Adjustment():
                self._adjustment(fact)
            case Reset():  # pragma: no branch - there is no other kind
                self._reset(fact)
        self.last = fact

    def next_step(self) -> Step | None:
        """The next decay or lift if no further fact comes."""
        return self.plans.timeline.next_step(self._position, self.activity, self.totals)

    def advance_to(self, at: Instant, rank: int) -> Step | None:
        """Apply the steps that are due before an instant and rank; return the step after them."""
        next_step = self.next_step()
        while next_step is not None and (next_step.at, next_step.rank) < (at, rank):
            self._step(next_step)
            next_step = self.next_step()
        self.interval = self.plans.timeline.at(at)
        self._bound_next_step(at)
        return next_step

    def _apply_due_steps(self, at: Instant) -> None:
        # Activity since the bound was computed may have moved it.
        self._bound_next_step(self._position[0])
        if at >= self.no_step_before:
            self.advance_to(at, EVENT)

    def _bound_next_step(self, at: Instant) -> None:
        """Compute the instant before which no step can be due, so that earlier facts needn't search for one."""
        interval = self.interval
        # At the start of an interval, negative totals may still have to be lifted at this same instant.
        next_possible = min(interval.end, self.activity + interval.shortest_period)
        self.no_step_before = BEGINNING if at == interval.start else next_possible

    @property
    def _position(self) -> Position:
        last = self.last
        if not isinstance(last, tuple):
            return last.at, EVENT, ""
        at, rank, *rest = last
        return at, rank, str(rest[0]) if rank == DECAY else ""

    def outcome(self, next_step: Step | None) -> Outcome:
        sessions = [session.frozen() for session in self.sessions]
        standing = self._standing(sessions[-1] if sessions else self.standing.session)
        next_decay_at = next_step.at if next_step else None
        return Outcome(standing, self.entries, self.verdicts, sessions, self.surge_events, next_decay_at)

    def _event(self, event: Event) -> None:
        plan = self.plans.judging(event)
        type_plan = plan.for_type(event.type)
        reason = self._suppression_reason(event, type_plan)
        session_id = None
        if reason is None:
            if event.channel != SYSTEM:
                session_id = self._join_session(event, plan.session_timeout)
                self.activity = event.at
            if not event.reset_before_merge and (awards := type_plan.rules.awards(event, self.uses)):
                self._score(event, plan, awards)
        self.verdicts.append(Verdict(event.id, reason, session_id, type_plan.scope))

    def _suppression_reason(self, event: Event, type_plan: EventTypePlan) -> str | None:
        lookback = self.plans.lookback.windows.get(event.type)
        if lookback is None:
            return None
        counter = self.counters.get(event.type)
        if counter is None:
            counter = self.counters[event.type] = VelocityCounter(self.standing.windows.get(event.type), lookback)
        reasons = (velocity.reason for velocity in type_plan.filters if velocity.suppresses(event.at, counter))
        reason = next(reasons, None)
        counter.add(event.at, lookback)
        return reason

    def _join_session(self, event: Event, timeout: Microseconds) -> UUID:
        session = self.session
        if session is None or event.at - session.end > timeout:
            session = self.session = OpenSession.opened(event)
            self.sessions.append(session)
        else:
            if not self.sessions:
                self.sessions.append(session)
            session.add(event)
        return session.id

    def _score(self, event: Event, plan: ScoringPlan, awards: Sequence[RulesetAward]) -> None:
        surging = event.channel != SYSTEM and any(award.base > 0 for award in awards)
        multiplier = self._surge_multiplier(event, plan.surge) if surging else ONE
        limited_rules = self.plans.lookback.limited_rules
        for award in awards:
            if limited_rules:
                self._count_uses(limited_rules, award.awards)
            factor = multiplier if award.base > 0 else ONE
            self._add_points("event", event.id, event.at, award, factor, version=plan.version)

    def _count_uses(self, limited_rules: Container[str], awards: Awards) -> None:
        for rule_id, _ in awards:
            if rule_id in limited_rules:
                self.uses[rule_id] = self.uses.get(rule_id, 0) + 1

    def _surge_multiplier(self, event: Event, policy: SurgePolicy) -> int:
        if self.surge_at is None or event.at - self.surge_at > policy.idle:
            self.surge_count, self.surge_start, self.surge_multiplier = 0, event.at, ONE
        self.surge_count += 1
        self.surge_at = event.at
        multiplier = policy.multiplier(self.surge_count)
        if multiplier > self.surge_multiplier:
            self.surge_events.append(
                SurgeEvent(event.id, event.at, event.channel, self.surge_start, self.surge_count, multiplier)
            )
        self.surge_multiplier = multiplier
        return multiplier

    def _adjustment(self, adjustment: Adjustment) -> None:
        award = RulesetAward(adjustment.ruleset_id, (), adjustment.points)
        self._add_points("adjustment", adjustment.id, adjustment.at, award)

    def _reset(self, reset: Reset) -> None:
        for ruleset_id, total in sorted(self.totals.items()):
            if total:
                self._clear_total("reset", reset.id, ruleset_id, reset.at, total)
        self.totals.clear()
        self.uses.clear()
        self.surge_count, self.surge_at, self.surge_multiplier = 0, None, ONE

    def _step(self, step: Step) -> None:
        self.interval = step.interval
        for ruleset_id, total in sorted(self.totals.items()):
            if step.decay is None:
                if total < 0:
                    self._clear_total("lift", ALLOW_NEGATIVE_SCORES, ruleset_id, step.at, total)
                    self.totals[ruleset_id] = 0
            elif ruleset_id in step.interval.rulesets and (total > 0 or step.interval.allow_negatives):
                award = RulesetAward(ruleset_id, (), -step.decay.decrease)
                self._add_points("decay", step.decay.decay_id, step.at, award)
        self.last = (step.at, step.rank, step.name)

    def _add_points(
        self,
        kind: Kind,
        cause: Cause,
        at: Instant,
        award: RulesetAward,
        multiplier: int = ONE,
        *,
        version: int | None = None,
    ) -> None:
        """Add to a total, as far as the floor allows."""
        ruleset_id, awards, base = award
        points = base if multiplier == ONE else boosted(base, multiplier)
        before = self.totals.get(ruleset_id, 0)
        after = before + points
        if after < 0 and not self.interval.allow_negatives:
            after = 0
        if points or before:
            self.totals[ruleset_id] = after
        applied = after - before
        self.entries.append(
            Entry(kind, cause, ruleset_id, at, version, awards, base, multiplier, points, applied, before, after)
        )

    def _clear_total(self, kind: Kind, cause: Cause, ruleset_id: str, at: Instant, total: int) -> None:
        self.entries.append(Entry(kind, cause, ruleset_id, at, None, (), -total, ONE, -total, -total, total, 0))

    def _standing(self, session: Session | None) -> Standing:
        standing, plans = self.standing, self.plans
        return Standing(
            self.last if isinstance(self.last, tuple) else order(self.last),
            plans.newest,
            plans.newest if standing.empty else min(standing.covered_version, plans.newest),
            self.totals,
            self.uses,
            self.surge_count,
            self.surge_at,
            None if self.activity == BEGINNING else self.activity,
            session,
            self._windows() if plans.lookback.windows else {},
            None if self.surge_at is None else self.surge_start,
            self.surge_multiplier,
        )

    def _windows(self) -> dict[str, VelocityWindow]:
        lookback_windows, (at, _, _) = self.plans.lookback.windows, self._position
        windows = {**self.standing.windows, **{name: counter.window() for name, counter in self.counters.items()}}
        trimmed = (
            (name, window.trimmed(at, lookback_windows[name]))
            for name, window in windows.items()
            if name in lookback_windows
        )
        return {name: window for name, window in trimmed if window is not None}
