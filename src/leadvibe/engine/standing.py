"""The standing: everything about a lead's past that its next fact can depend on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leadvibe.engine.facts import START, Event, Fact, Order, order
from leadvibe.engine.filters import VelocityWindow
from leadvibe.engine.instants import Instant
from leadvibe.engine.plans import Plans
from leadvibe.engine.sessions import Session
from leadvibe.engine.surge import ONE


@dataclass(frozen=True, slots=True)
class Standing:
    position: Order = START
    """The canonical order of the last fact or step."""
    known_version: int = 0
    """The newest configuration version that the last fold knew."""
    covered_version: int = 0
    """The newest version that every fold knew. The lookback of later versions may not be covered."""
    totals: Mapping[str, int] = field(default_factory=dict[str, int])
    """The totals of the rulesets that changed since the last reset. Every other total is zero."""
    uses: Mapping[str, int] = field(default_factory=dict[str, int])
    """How often each limited rule applied since the last reset."""
    surge_count: int = 0
    surge_at: Instant | None = None
    """The last event that counted for the surge."""
    activity: Instant | None = None
    """The last activity."""
    session: Session | None = None
    windows: Mapping[str, VelocityWindow] = field(default_factory=dict[str, VelocityWindow])
    """By event type."""
    surge_start: Instant | None = None
    """The first event of the surge. Unknown in a standing that was stored before surges were recorded."""
    surge_multiplier: int = ONE
    """The multiplier of the last event that counted for the surge, in thousandths."""

    @property
    def empty(self) -> bool:
        """Whether nothing was folded yet."""
        return self.position == START

    def can_fold(self, plans: Plans, facts: Sequence[Fact] = ()) -> bool:
        """Whether a fold of these facts, in canonical order, can start here; otherwise a replay is needed."""
        if self.empty:
            return True
        if self.surge_at is not None and self.surge_start is None:
            return False
        if plans.newest > self.known_version and plans.timeline.changed_since(self.known_version, self.position[0]):
            return False
        if facts and order(facts[0]) <= self.position:
            return False
        required = plans.lookback.required_versions
        return all(required.get(fact.type, 0) <= self.covered_version for fact in facts if isinstance(fact, Event))

    def dump(self) -> list[Any]:
        """As numbers, texts, bytes, lists and maps."""
        return [
            list(self.position),
            self.known_version,
            self.covered_version,
            dict(self.totals),
            dict(self.uses),
            self.surge_count,
            self.surge_at,
            self.activity,
            self.session and self.session.dump(),
            {name: [list(window.times), dict(window.bursts)] for name, window in self.windows.items()},
            self.surge_start,
            self.surge_multiplier,
        ]

    @classmethod
    def load(cls, primitives: Sequence[Any]) -> "Standing":
        """The standing that `dump` returned, now or before surges were recorded."""
        position, known, covered, totals, uses, surge_count, surge_at, activity, session, windows, *surge = primitives
        return cls(
            (position[0], position[1], *position[2:]),
            known,
            covered,
            totals,
            uses,
            surge_count,
            surge_at,
            activity,
            session and Session.load(session),
            {name: VelocityWindow(tuple(times), bursts) for name, (times, bursts) in windows.items()},
            *surge,
        )
