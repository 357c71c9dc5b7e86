"""The configuration's versions: which plan judges an event, and what was in force when."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from leadvibe.engine.configuration import DecayConfig, Snapshot
from leadvibe.engine.decay import in_force
from leadvibe.engine.facts import Event
from leadvibe.engine.intervals import ConfigurationTimeline, VersionSettings
from leadvibe.engine.lookback import Lookback
from leadvibe.engine.plan import ScoringPlan
from leadvibe.engine.rules import active_rulesets, types_with_conditions

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
    lookback: Lookback
    timeline: ConfigurationTimeline
    snapshots: Snapshots
    compiled: Compiled
    metadata_types: frozenset[str]
    """The event types whose metadata matters to any of the plans; that of other events needn't be known."""
    draft: Draft | None = None

    @classmethod
    def of(cls, versions: Iterable[Version]) -> "Plans":
        """The plans of a unit whose first version is its beginning."""
        (number, created_at, snapshot), *more = versions
        timeline = ConfigurationTimeline.of([_settings_of_version(number, created_at, snapshot, None)])
        lookback, snapshots = Lookback().extended(number, snapshot), {number: snapshot}
        first = cls(number, lookback, timeline, snapshots, _compiled(snapshots), types_with_conditions(snapshot))
        return first.extended(more) if more else first

    def extended(self, more: Iterable[Version]) -> "Plans":
        """With versions that came after."""
        newest, lookback, metadata_types = self.newest, self.lookback, self.metadata_types
        version_settings, snapshots = [*self.timeline.version_settings], dict(self.snapshots)
        for number, created_at, snapshot in more:
            newest, snapshots[number] = number, snapshot
            lookback = lookback.extended(number, snapshot)
            metadata_types |= types_with_conditions(snapshot)
            version_settings.append(_settings_of_version(number, created_at, snapshot, version_settings[-1]))
        return Plans(
            newest,
            lookback,
            ConfigurationTimeline.of(version_settings),
            snapshots,
            _compiled(snapshots),
            metadata_types,
        )

    def drafted(self, snapshot: Snapshot, since: int) -> "Plans":
        """With a draft that judges every event since an instant; its decay rules, if it names any, exist from then."""
        return replace(
            self,
            lookback=self.lookback.extended(self.newest, snapshot),
            timeline=_redecayed(self.timeline, snapshot["decays"], since) if "decays" in snapshot else self.timeline,
            metadata_types=self.metadata_types | types_with_conditions(snapshot),
            draft=Draft(ScoringPlan.of(None, snapshot), since),
        )

    def judging(self, event: Event) -> ScoringPlan:
        """The plan by which an event is judged."""
        if self.draft is not None and event.at >= self.draft.since:
            return self.draft.plan
        return self.compiled(event.version)


def _redecayed(timeline: ConfigurationTimeline, configs: Iterable[DecayConfig], since: int) -> ConfigurationTimeline:
    before = [stage for stage in timeline.version_settings if stage.start <= since] or [timeline.version_settings[0]]
    decays = in_force(configs, before[-1].decays, since)
    after = [replace(stage, decays=decays) for stage in timeline.version_settings if stage.start > since]
    return ConfigurationTimeline.of([*before, replace(before[-1], start=since, decays=decays), *after])


def _settings_of_version(
    version: int, created_at: int, snapshot: Snapshot, before: VersionSettings | None
) -> VersionSettings:
    # A clock that stepped back must not put a version before the one it replaces.
    start = created_at if before is None else max(created_at, before.start)
    decays = in_force(snapshot.get("decays", ()), before.decays if before else {}, start)
    rulesets = tuple(active_rulesets(snapshot).values())
    return VersionSettings(version, start, snapshot.get("allow_negative_scores", False), rulesets, decays)
