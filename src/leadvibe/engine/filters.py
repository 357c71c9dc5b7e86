"""Velocity filters: activity too fast to be human is kept, but counts for nothing."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from leadvibe.engine.configuration import FilterConfig, Snapshot

INORGANIC = "inorganic"
INORGANIC_GROUPED = "inorganic_grouped"


@dataclass(frozen=True, slots=True)
class LookbackWindow:
    """How far back the instants of an event type must be remembered to judge the next one."""

    count: int = 0
    window: int = 0
    groupings: frozenset[int] = frozenset()

    def with_room_for(self, velocity: "VelocityFilter") -> "LookbackWindow":
        return LookbackWindow(
            max(self.count, velocity.count),
            max(self.window, velocity.window),
            self.groupings | {velocity.window} if velocity.grouped else self.groupings,
        )


@dataclass(frozen=True, slots=True)
class VelocityWindow:
    """The latest instants of one event type, and where the current burst began for each grouping window."""

    times: tuple[int, ...]
    bursts: Mapping[int, int]

    def seen_from(self, at: int, depth: LookbackWindow) -> "VelocityWindow | None":
        """What of it still matters from an instant on."""
        times = tuple(time for time in self.times if time > at - depth.window)
        bursts = {window: start for window, start in self.bursts.items() if at - start < window}
        return VelocityWindow(times, bursts) if times or bursts else None


class VelocityCounter:
    """A window that moves on."""

    __slots__ = ("bursts", "times")

    def __init__(self, window: VelocityWindow | None, depth: LookbackWindow) -> None:
        self.times = deque[int](window.times if window else (), maxlen=depth.count)
        self.bursts = dict[int, int](window.bursts if window else {})

    def starts_burst(self, at: int, window: int) -> bool:
        start = self.bursts.get(window)
        return start is None or at - start >= window

    def add(self, at: int, depth: LookbackWindow) -> None:
        for window in depth.groupings:
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
    window: int
    grouped: bool

    @classmethod
    def of(cls, config: FilterConfig) -> "VelocityFilter":
        return cls(
            config["filter_id"],
            config["event_type"],
            config["count_threshold"],
            config["time_window_ms"] * 1000,
            config.get("group_events", False),
        )

    def suppresses(self, at: int, recent: VelocityCounter) -> bool:
        """Whether an event at this instant is one too many after the recent ones."""
        times = recent.times
        exceeded = len(times) >= self.count and times[-self.count] > at - self.window
        return exceeded and not (self.grouped and recent.starts_burst(at, self.window))

    @property
    def reason(self) -> str:
        return INORGANIC_GROUPED if self.grouped else INORGANIC


def velocity_filters(snapshot: Snapshot) -> list[VelocityFilter]:
    """The filters in the order in which they name the reason."""
    filters = map(VelocityFilter.of, snapshot.get("filters", ()))
    return sorted(filters, key=lambda velocity: (velocity.window, velocity.filter_id))
