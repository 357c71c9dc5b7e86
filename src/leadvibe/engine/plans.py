"""The configuration's versions: which plan judges an event, and what was in force when."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from leadvibe.engine.decay import in_force
from leadvibe.engine.facts import Event
from leadvibe.engine.memory import Memory
from leadvibe.engine.plan import ScoringPlan
from leadvibe.engine.rules import active_rulesets, asked_types
from leadvibe.engine.snapshots import DecayConfig, Snapshot
from leadvibe.engine.timeline import Stage, Timeline

Version = tuple[int, int, Snapshot]
"""Number, instant of creation, snapshot."""


MOST_COMPILED: Final = 100
"""Plans kept compiled: any version may be asked for, but mostly the newest is."""

Snapshots = Mapping[int, Snapshot]
Compiled = Callable[[int], ScoringPlan]


def _compiled(snapshots: Snapshots) -> Compiled:
    """Plans by version, each compiled when it is asked for and kept for a while."""

    def compiled(version: int) -> ScoringPlan:
        return ScoringPlan.of(version, snapshots[version])

    return lru_cache(MOST_COMPILED)(compiled)


@dataclass(frozen=True, slots=True)
class Draft:
    plan: ScoringPlan
    since: int


@dataclass(frozen=True, slots=True)
class Plans:
    newest: int
    memory: Memory
    timeline: Timeline
    snapshots: Snapshots
    compiled: Compiled
    asked: frozenset[str]
    """The event types whose metadata matters to any of the plans; that of other events needn't be known."""
    draft: Draft | None = None

    @classmethod
    def of(cls, versions: Iterable[Version]) -> "Plans":
        """The plans of a unit whose first version is its beginning."""
        (number, created_at, snapshot), *more = versions
        timeline = Timeline.of([_stage(number, created_at, snapshot, None)])
        memory, snapshots = Memory().extended(number, snapshot), {number: snapshot}
        first = cls(number, memory, timeline, snapshots, _compiled(snapshots), asked_types(snapshot))
        return first.extended(more) if more else first

    def extended(self, more: Iterable[Version]) -> "Plans":
        """With versions that came after."""
        newest, memory, asked = self.newest, self.memory, self.asked
        stages, snapshots = [*self.timeline.stages], dict(self.snapshots)
        for number, created_at, snapshot in more:
            newest, snapshots[number] = number, snapshot
            memory = memory.extended(number, snapshot)
            asked |= asked_types(snapshot)
            stages.append(_stage(number, created_at, snapshot, stages[-1]))
        return Plans(newest, memory, Timeline.of(stages), snapshots, _compiled(snapshots), asked)

    def drafted(self, snapshot: Snapshot, since: int) -> "Plans":
        """With a draft that judges every event since an instant; its decay rules, if it names any, exist from then."""
        return replace(
            self,
            memory=self.memory.extended(self.newest, snapshot),
            timeline=_redecayed(self.timeline, snapshot["decays"], since) if "decays" in snapshot else self.timeline,
            asked=self.asked | asked_types(snapshot),
            draft=Draft(ScoringPlan.of(None, snapshot), since),
        )

    def judging(self, event: Event) -> ScoringPlan:
        """The plan by which an event is judged."""
        if self.draft is not None and event.at >= self.draft.since:
            return self.draft.plan
        return self.compiled(event.version)


def _redecayed(timeline: Timeline, configs: Iterable[DecayConfig], since: int) -> Timeline:
    before = [stage for stage in timeline.stages if stage.start <= since] or [timeline.stages[0]]
    decays = in_force(configs, before[-1].decays, since)
    after = [replace(stage, decays=decays) for stage in timeline.stages if stage.start > since]
    return Timeline.of([*before, replace(before[-1], start=since, decays=decays), *after])


def _stage(version: int, created_at: int, snapshot: Snapshot, before: Stage | None) -> Stage:
    # A clock that stepped back must not put a version before the one it replaces.
    start = created_at if before is None else max(created_at, before.start)
    decays = in_force(snapshot.get("decays", ()), before.decays if before else {}, start)
    rulesets = tuple(active_rulesets(snapshot).values())
    return Stage(version, start, snapshot.get("allow_negative_scores", False), rulesets, decays)
