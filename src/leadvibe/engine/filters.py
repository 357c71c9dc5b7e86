"""Velocity filters: events that come too fast are stored but don't count."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from leadvibe.engine.configuration import Configuration, FilterConfig
from leadvibe.engine.instants import MILLISECOND, Instant, Microseconds

INORGANIC = "inorganic"
INORGANIC_GROUPED = "inorganic_grouped"


@dataclass(frozen=True, slots=True)
class LookbackWindow:
    """How many events of a type must be remembered, and for how long, to judge the next one."""

    count: int = 0
    length: Microseconds = 0
    burst_windows: frozenset[Microseconds] = frozenset()
    """The windows of the filters that group events."""

    def including(self, velocity: "VelocityFilter") -> "LookbackWindow":
        """This window, extended as far as a filter looks back."""
        return LookbackWindow(
            max(self.count, velocity.count),
            max(self.length, velocity.window),
            self.burst_windows | {velocity.window} if velocity.grouped else self.burst_windows,
        )


@dataclass(frozen=True, slots=True)
class VelocityWindow:
    """The latest instants of one event type, and the start of the current burst for each burst window."""

    times: tuple[Instant, ...]
    bursts: Mapping[Microseconds, Instant]

    def trimmed(self, at: Instant, lookback: LookbackWindow) -> "VelocityWindow | None":
        """Without the parts that no event from `at` on can depend on; None if nothing is left."""
        times = tuple(time for time in self.times if time > at - lookback.length)
        bursts = {window: start for window, start in self.bursts.items() if at - start < window}
        return VelocityWindow(times, bursts) if times or bursts else None


class VelocityCounter:
    """The mutable form of a velocity window."""

    __slots__ = ("bursts", "times")

    def __init__(self, window: VelocityWindow | None, lookback: LookbackWindow) -> None:
        self.times = deque[Instant](window.times if window else (), maxlen=lookback.count)
        self.bursts = dict[Microseconds, Instant](window.bursts if window else {})

    def starts_burst(self, at: Instant, window: Microseconds) -> bool:
        start = self.bursts.get(window)
        return start is None or at - start >= window

    def add(self, at: Instant, lookback: LookbackWindow) -> None:
        for window in lookback.burst_windows:
            if self.starts_burst(at, window):
                self.bursts[window] = at
        self.times.append(at)

    def window(self) -> VelocityWindow:
        return VelocityWindow(tuple(self.times), self.bursts)


@dataclass(frozen=True, slots=True)
class VelocityFilter:
    filter_id: str
    event_type: str
    count: int
    window: Microseconds
    grouped: bool

    @classmethod
    def of(cls, config: FilterConfig) -> "VelocityFilter":
        window = config.time_window_ms * MILLISECOND
        return cls(config.filter_id, config.event_type, config.count_threshold, window, config.group_events)

    def suppresses(self, at: Instant, counter: VelocityCounter) -> bool:
        """Whether an event at this instant exceeds the threshold. The counter holds the events before it."""
        times = counter.times
        exceeded = len(times) >= self.count and times[-self.count] > at - self.window
        return exceeded and not (self.grouped and counter.starts_burst(at, self.window))

    @property
    def reason(self) -> str:
        return INORGANIC_GROUPED if self.grouped else INORGANIC


def velocity_filters(configuration: Configuration) -> list[VelocityFilter]:
    """The filters, the shortest window first. The first one that suppresses an event gives the reason."""
    filters = map(VelocityFilter.of, configuration.filters)
    return sorted(filters, key=lambda velocity: (velocity.window, velocity.filter_id))
