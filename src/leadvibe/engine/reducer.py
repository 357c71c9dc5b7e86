"""A lead's standing on the move: facts and steps change it one at a time."""

from collections.abc import Container, Sequence
from uuid import UUID

from leadvibe.engine.entries import Cause, Entry, Kind, Outcome, Verdict
from leadvibe.engine.facts import DECAY, EVENT, Adjustment, Event, Fact, Order, Reset, order
from leadvibe.engine.filters import VelocityCounter, VelocityWindow
from leadvibe.engine.instants import BEGINNING
from leadvibe.engine.intervals import Position, Step
from leadvibe.engine.plan import DEFAULT_EVENT_TYPE_PLAN, EventTypePlan, ScoringPlan
from leadvibe.engine.plans import Plans
from leadvibe.engine.rules import Award, Awards
from leadvibe.engine.sessions import Session, Visit
from leadvibe.engine.standing import Standing
from leadvibe.engine.surge import ONE, SurgePolicy, boosted

SYSTEM = "system"
"""The channel of what no visitor did: no activity, no session, no surge."""

NEGATIVES = "allow_negative_scores"
"""The setting that lifts negative totals when it is switched off."""


class Reducer:
    def __init__(self, plans: Plans, standing: Standing) -> None:
        self.plans = plans
        self.standing = standing
        self.last: Fact | Order = standing.position
        self.totals = dict(standing.totals)
        self.uses = dict(standing.uses)
        self.surge_count = standing.surge_count
        self.surge_at = standing.surge_at
        self.activity = BEGINNING if standing.activity is None else standing.activity
        self.visit = Visit.resumed(standing.session) if standing.session else None
        self.visits: list[Visit] = []
        self.recents: dict[str, VelocityCounter] = {}
        self.entries: list[Entry] = []
        self.verdicts: list[Verdict] = []
        self.interval = plans.timeline.at(standing.position[0])
        self.next_step_at = BEGINNING
        self._rest(standing.position[0])

    def take(self, fact: Fact) -> None:
        """Let a fact happen, and before it whatever falls due until then."""
        if fact.at >= self.next_step_at:
            self._catch_up(fact.at)
        match fact:
            case Event():
                self._event(fact)
            case Adjustment():
                self._adjustment(fact)
            case Reset():  # pragma: no branch - there is no other kind
                self._reset(fact)
        self.last = fact

    def next_step(self) -> Step | None:
        """What silence or the configuration brings next, if nothing else happens before."""
        return self.plans.timeline.next_step(self._position, self.activity, self.totals)

    def advance_to(self, at: int, rank: int) -> Step | None:
        """Let everything happen that silence or the configuration brings before this instant and rank; what is next."""
        next_step = self.next_step()
        while next_step is not None and (next_step.at, next_step.rank) < (at, rank):
            self._step(next_step)
            next_step = self.next_step()
        self.interval = self.plans.timeline.at(at)
        self._rest(at)
        return next_step

    def _catch_up(self, at: int) -> None:
        # Activity since the last look may have moved what was due.
        self._rest(self._position[0])
        if at >= self.next_step_at:
            self.advance_to(at, EVENT)

    def _rest(self, at: int) -> None:
        """Find the instant before which no step can fall due, so that facts until then needn't look for one."""
        interval = self.interval
        # Where an era has just begun, negatives may still have to be lifted at this very instant.
        self.next_step_at = BEGINNING if at == interval.start else min(interval.end, self.activity + interval.shortest)

    @property
    def _position(self) -> Position:
        last = self.last
        if not isinstance(last, tuple):
            return last.at, EVENT, ""
        at, rank, *rest = last
        return at, rank, str(rest[0]) if rank == DECAY else ""

    def outcome(self, next_step: Step | None) -> Outcome:
        sessions = [visit.session() for visit in self.visits]
        standing = self._standing(sessions[-1] if sessions else self.standing.session)
        return Outcome(standing, self.entries, self.verdicts, sessions, next_step.at if next_step else None)

    def _event(self, event: Event) -> None:
        plan = self.plans.judging(event)
        treatment = plan.event_type_plans.get(event.type, DEFAULT_EVENT_TYPE_PLAN)
        reason = self._suppression(event, treatment)
        session_id = None
        if reason is None:
            if event.channel != SYSTEM:
                session_id = self._visited(event, plan.session_timeout)
                self.activity = event.at
            if not event.reset_before_merge and (awards := treatment.rules.awards(event, self.uses)):
                self._score(event, plan, awards)
        self.verdicts.append(Verdict(event.id, reason, session_id, treatment.scope))

    def _suppression(self, event: Event, treatment: EventTypePlan) -> str | None:
        depth = self.plans.lookback.lookback_windows.get(event.type)
        if depth is None:
            return None
        recent = self.recents.get(event.type)
        if recent is None:
            recent = self.recents[event.type] = VelocityCounter(self.standing.windows.get(event.type), depth)
        reasons = (velocity.reason for velocity in treatment.filters if velocity.suppresses(event.at, recent))
        reason = next(reasons, None)
        recent.add(event.at, depth)
        return reason

    def _visited(self, event: Event, timeout: int) -> UUID:
        visit = self.visit
        if visit is None or event.at - visit.end > timeout:
            visit = self.visit = Visit.opened(event)
            self.visits.append(visit)
        else:
            if not self.visits:
                self.visits.append(visit)
            visit.join(event)
        return visit.id

    def _score(self, event: Event, plan: ScoringPlan, awards: Sequence[Award]) -> None:
        surging = event.channel != SYSTEM and any(award.base > 0 for award in awards)
        multiplier = self._surge(event.at, plan.surge) if surging else ONE
        limited = self.plans.lookback.limited
        for award in awards:
            if limited:
                self._use(limited, award.paid)
            self._enter("event", event.id, event.at, award, multiplier if award.base > 0 else ONE, version=plan.version)

    def _use(self, limited: Container[str], paid: Awards) -> None:
        for rule_id, _ in paid:
            if rule_id in limited:
                self.uses[rule_id] = self.uses.get(rule_id, 0) + 1

    def _surge(self, at: int, policy: SurgePolicy) -> int:
        idle = self.surge_at is None or at - self.surge_at > policy.idle
        self.surge_count = 1 if idle else self.surge_count + 1
        self.surge_at = at
        return policy.multiplier(self.surge_count)

    def _adjustment(self, adjustment: Adjustment) -> None:
        award = Award(adjustment.ruleset_id, (), adjustment.points)
        self._enter("adjustment", adjustment.id, adjustment.at, award)

    def _reset(self, reset: Reset) -> None:
        for ruleset_id, total in sorted(self.totals.items()):
            if total:
                self._assign_zero("reset", reset.id, ruleset_id, reset.at, total)
        self.totals.clear()
        self.uses.clear()
        self.surge_count, self.surge_at = 0, None

    def _step(self, step: Step) -> None:
        self.interval = step.interval
        for ruleset_id, total in sorted(self.totals.items()):
            if step.decay is None:
                if total < 0:
                    self._assign_zero("lift", NEGATIVES, ruleset_id, step.at, total)
                    self.totals[ruleset_id] = 0
            elif ruleset_id in step.interval.rulesets and (total > 0 or step.interval.negatives):
                award = Award(ruleset_id, (), -step.decay.decrease)
                self._enter("decay", step.decay.decay_id, step.at, award)
        self.last = (step.at, step.rank, step.name)

    def _enter(
        self,
        kind: Kind,
        cause: Cause,
        at: int,
        award: Award,
        multiplier: int = ONE,
        *,
        version: int | None = None,
    ) -> None:
        """Add to a total, as far as the floor in force allows."""
        ruleset_id, paid, base = award
        points = base if multiplier == ONE else boosted(base, multiplier)
        before = self.totals.get(ruleset_id, 0)
        after = before + points
        if after < 0 and not self.interval.negatives:
            after = 0
        if points or before:
            self.totals[ruleset_id] = after
        applied = after - before
        self.entries.append(
            Entry(kind, cause, ruleset_id, at, version, paid, base, multiplier, points, applied, before, after)
        )

    def _assign_zero(self, kind: Kind, cause: Cause, ruleset_id: str, at: int, total: int) -> None:
        self.entries.append(Entry(kind, cause, ruleset_id, at, None, (), -total, ONE, -total, -total, total, 0))

    def _standing(self, session: Session | None) -> Standing:
        standing, plans = self.standing, self.plans
        return Standing(
            self.last if isinstance(self.last, tuple) else order(self.last),
            plans.newest,
            plans.newest if standing.empty else min(standing.horizon, plans.newest),
            self.totals,
            self.uses,
            self.surge_count,
            self.surge_at,
            None if self.activity == BEGINNING else self.activity,
            session,
            self._windows() if plans.lookback.lookback_windows else {},
        )

    def _windows(self) -> dict[str, VelocityWindow]:
        lookback_windows, (at, _, _) = self.plans.lookback.lookback_windows, self._position
        windows = {**self.standing.windows, **{name: recent.window() for name, recent in self.recents.items()}}
        seen = (
            (name, window.seen_from(at, lookback_windows[name]))
            for name, window in windows.items()
            if name in lookback_windows
        )
        return {name: window for name, window in seen if window is not None}
