"""All versions of an OU's configuration: the plan that judges an event, and the settings over time."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from leadvibe.engine.configuration import Configuration, DecayConfig
from leadvibe.engine.decay import DecayRule, updated_rules
from leadvibe.engine.facts import Event
from leadvibe.engine.instants import Instant
from leadvibe.engine.intervals import ConfigurationTimeline, VersionSettings
from leadvibe.engine.lookback import Lookback
from leadvibe.engine.plan import ScoringPlan
from leadvibe.engine.rules import active_rulesets, types_with_conditions


class Version(NamedTuple):
    number: int
    created_at: Instant
    configuration: Configuration


MAX_COMPILED_PLANS: Final = 100
"""Most events are judged by the newest version, so few plans are in use at a time."""

Configurations = Mapping[int, Configuration]
Compiled = Callable[[int], ScoringPlan]


def _compiled(configurations: Configurations) -> Compiled:
    """Plans by version. Each is compiled on first use, and the most recently used stay in memory."""

    def compiled(version: int) -> ScoringPlan:
        return ScoringPlan.of(version, configurations[version])

    return lru_cache(MAX_COMPILED_PLANS)(compiled)


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan that judges every event from an instant on."""

    plan: ScoringPlan
    since: Instant


@dataclass(frozen=True, slots=True)
class Plans:
    newest: int
    lookback: Lookback
    timeline: ConfigurationTimeline
    configurations: Configurations
    compiled: Compiled
    metadata_types: frozenset[str]
    """The event types whose metadata matters to any version. Other events may be loaded without it."""
    draft: Draft | None = None

    @classmethod
    def of(cls, more: Iterable[Version], configurations: Configurations | None = None) -> "Plans":
        """Compile all versions of an OU, the first one first; see `extended`."""
        nothing = cls(0, Lookback(), ConfigurationTimeline((), (), ()), {}, _compiled({}), frozenset())
        return nothing.extended(more, configurations)

    def extended(self, more: Iterable[Version], configurations: Configurations | None = None) -> "Plans":
        """With later versions, in order.

        `configurations` has all versions by number, also these when they have been iterated. By default they are kept
        in a dictionary.
        """
        newest, lookback, metadata_types = self.newest, self.lookback, self.metadata_types
        version_settings = [*self.timeline.version_settings]
        kept = dict(self.configurations) if configurations is None else {}
        for number, created_at, configuration in more:
            newest = number
            if configurations is None:
                kept[number] = configuration
            lookback = lookback.extended(number, configuration)
            metadata_types |= types_with_conditions(configuration)
            previous = version_settings[-1] if version_settings else None
            version_settings.append(_version_settings(number, created_at, configuration, previous))
        timeline = ConfigurationTimeline.of(version_settings)
        configurations = kept if configurations is None else configurations
        return Plans(newest, lookback, timeline, configurations, _compiled(configurations), metadata_types)

    def drafted(self, configuration: Configuration, since: Instant, *, drafts_decays: bool) -> "Plans":
        """With a draft that judges every event from an instant on.

        With `drafts_decays`, the draft's decay rules replace the others from that instant on. Otherwise the decay rules
        stay, and those of the draft are ignored.
        """
        timeline = _with_decays(self.timeline, configuration.decays, since) if drafts_decays else self.timeline
        return replace(
            self,
            lookback=self.lookback.extended(self.newest, configuration),
            timeline=timeline,
            metadata_types=self.metadata_types | types_with_conditions(configuration),
            draft=Draft(ScoringPlan.of(None, configuration), since),
        )

    def judging(self, event: Event) -> ScoringPlan:
        """The plan that judges an event."""
        if self.draft is not None and event.at >= self.draft.since:
            return self.draft.plan
        return self.compiled(event.version)


def _with_decays(
    timeline: ConfigurationTimeline, configs: Iterable[DecayConfig], since: Instant
) -> ConfigurationTimeline:
    first, *_ = timeline.version_settings
    before = [settings for settings in timeline.version_settings if settings.start <= since] or [first]
    decays = updated_rules(configs, before[-1].known_decays, since)
    after = [replace(settings, decays=decays) for settings in timeline.version_settings if settings.start > since]
    return ConfigurationTimeline.of([*before, replace(before[-1], start=since, decays=decays), *after])


def _version_settings(
    version: int, created_at: Instant, configuration: Configuration, previous: VersionSettings | None
) -> VersionSettings:
    # If the clock stepped back, a version must not start before the one that it replaces.
    start = created_at if previous is None else max(created_at, previous.start)
    known_decays: Mapping[str, DecayRule] = previous.known_decays if previous else {}
    decays = updated_rules(configuration.decays, known_decays, start)
    rulesets = tuple(active_rulesets(configuration).values())
    if previous is not None and decays == previous.decays:  # as after most edits: share them
        decays = previous.decays
    else:
        known_decays = {**known_decays, **decays}
    return VersionSettings(version, start, configuration.allow_negative_scores, rulesets, decays, known_decays)
